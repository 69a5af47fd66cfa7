//! The schema registry as the configuration names it, and what it means for what is said.

use crate::config::{self, RegistryConfig, TopicsConfig};
use crate::event::registry::{Client, ClientError, Failure, Registry, Settings};
use crate::halt::Halt;
use crate::pipeline::segment_changed::{Encoding, avro};

/// The registry, if one is configured. Nothing is asked of it yet.
///
/// # Errors
/// There can be no client for it.
pub(super) fn open(config: &RegistryConfig) -> Result<Option<Registry>, ClientError> {
    let Some(url) = &config.url else { return Ok(None) };
    Client::new(&settings(config, url.as_str())).map(|client| Some(Registry::new(client)))
}

/// How to reach the registry at `url`, with the configured credentials.
pub(super) fn settings(config: &RegistryConfig, url: &str) -> Settings {
    let login = config.username.as_ref().zip(config.password.as_ref());
    Settings {
        url: url.to_owned(),
        login: login.map(|(name, password)| (name.as_str().to_owned(), password.expose().to_owned())),
        ca: config.ca.clone(),
        timeout: config.timeout,
    }
}

/// The subject of a topic's values: Confluent's default strategy.
pub(super) fn subject(topic: &str) -> String {
    format!("{topic}-value")
}

/// How segment-changed is written where no registry takes part.
pub(super) fn unregistered_encoding(topics: &TopicsConfig) -> Encoding {
    match topics.segment_changed_encoding {
        config::Encoding::Json => Encoding::Json,
        config::Encoding::Avro => Encoding::Avro,
    }
}

/// How segment-changed is written. In Avro, where there is a registry, its schema is registered there unless it is already.
///
/// # Errors
/// The registry is away or does not take the schema.
pub(super) async fn output_encoding(topics: &TopicsConfig, registry: Option<&Registry>) -> Result<Encoding, Failure> {
    match (unregistered_encoding(topics), registry) {
        (Encoding::Avro, Some(registry)) => {
            let subject = subject(topics.segment_changed.as_str());
            registry.client().register(&subject, avro::SCHEMA).await.map(Encoding::Framed)
        }
        (encoding, _) => Ok(encoding),
    }
}

/// [`output_encoding`] for a command, whose operator waits no longer than for one answer.
///
/// # Errors
/// As [`output_encoding`].
pub(super) async fn output_encoding_now(topics: &TopicsConfig, registry: Option<&Registry>) -> Result<Encoding, Halt> {
    output_encoding(topics, registry).await.map_err(|failure| match failure {
        Failure::Away(why) => Halt::Away(format!("the schema registry is away: {why}")),
        failure => Halt::Refused(format!("the schema of segment-changed: {failure}")),
    })
}
