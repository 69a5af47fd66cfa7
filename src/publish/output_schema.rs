//! How segment-changed is written where a schema registry takes part.

use crate::codec::segment_changed::{Encoding, avro};
use crate::registry::{Failure, Registry};

/// The subject of a topic's values: Confluent's default strategy.
pub fn subject(topic: &str) -> String {
    format!("{topic}-value")
}

/// The encoding of what is published on `topic`, of which `wanted` was configured. In Avro, where there is a registry, the schema
/// is registered unless it is already.
///
/// # Errors
/// The registry is unavailable or does not take the schema.
pub async fn encoding(wanted: Encoding, topic: &str, registry: Option<&Registry>) -> Result<Encoding, Failure> {
    match (wanted, registry) {
        (Encoding::Avro, Some(registry)) => {
            registry.client().register(&subject(topic), avro::SCHEMA).await.map(Encoding::Framed)
        }
        (encoding, _) => Ok(encoding),
    }
}
