//! The encoding of segment-changed where a schema registry is configured.

use crate::codec::segment_changed::{Encoding, avro};
use crate::registry::{Failure, Registry};

/// The subject of a topic's values: Confluent's TopicNameStrategy.
pub fn subject(topic: &str) -> String {
    format!("{topic}-value")
}

/// The encoding of records on `topic`, of which `wanted` is configured. For Avro with a registry, registers the schema unless
/// it is registered already.
///
/// # Errors
/// The registry is unavailable or rejects the schema.
pub async fn encoding(wanted: Encoding, topic: &str, registry: Option<&Registry>) -> Result<Encoding, Failure> {
    match (wanted, registry) {
        (Encoding::Avro, Some(registry)) => {
            registry.client().register(&subject(topic), avro::SCHEMA).await.map(Encoding::Framed)
        }
        (encoding, _) => Ok(encoding),
    }
}
