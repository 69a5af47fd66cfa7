//! What a valid configuration means for the parts of the service.

use anyhow::Context as _;

use crate::codec::Limits;
use crate::codec::segment_changed::Encoding;
use crate::config::{self, CatalogConfig, Config, RegistryConfig, TopicsConfig};
use crate::domain::scoring::Catalog;
use crate::ingest::assignment::Budget;
use crate::ingest::offset_tracker::FloodLimit;
use crate::ingest::worker::BatchLimits;
use crate::kafka::client::{Cluster, Topics};
use crate::output::Output;
use crate::registry::{self, Client, ClientError, Registry};
use crate::service::Settings;

/// The service's settings out of a valid configuration, without a registry.
pub fn settings(config: &Config) -> Settings {
    let (kafka, limits) = (&config.kafka, &config.limits);
    let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Settings {
        cluster: Cluster::from(kafka),
        topics: Topics::from(&config.topics),
        group: kafka.group_id.as_str().to_owned(),
        session_timeout: kafka.session_timeout,
        max_poll_interval: kafka.max_poll_interval,
        start: kafka.initial_offset,
        out_of_range: kafka.out_of_range,
        drain: kafka.drain_deadline,
        workers: config.database.connections as usize,
        batch: BatchLimits {
            records: config.batch.max_records as usize,
            bytes: config.batch.max_bytes.0,
            wait: config.batch.max_wait,
        },
        budget: Budget { records: config.in_flight.max_records as usize, bytes: config.in_flight.max_bytes.0 },
        limits: Limits { max_value_bytes: limits.max_value_bytes.0, max_future_ms: millis(limits.max_future) },
        flood: FloodLimit {
            records: limits.max_consecutive_rejections as usize,
            bytes: limits.max_consecutive_rejection_bytes.0,
        },
        output_encoding: encoding(&config.topics),
        registry: None,
        max_outbox_rows: i64::from(config.outbox.max_depth),
    }
}

/// How a command that ends publishes changes and writes dead letters. Nothing is asked of the registry yet.
///
/// # Errors
/// There can be no client for the registry.
pub(super) fn output(config: &Config) -> Result<Output, ClientError> {
    Ok(Output {
        cluster: Cluster::from(&config.kafka),
        topics: Topics::from(&config.topics),
        encoding: encoding(&config.topics),
        registry: registry(&config.registry)?,
    })
}

/// How segment-changed is to be written, whether or not there is a registry.
pub(super) fn encoding(topics: &TopicsConfig) -> Encoding {
    match topics.segment_changed_encoding {
        config::Encoding::Json => Encoding::Json,
        config::Encoding::Avro => Encoding::Avro,
    }
}

/// The registry, if one is configured. Nothing is asked of it yet.
///
/// # Errors
/// There can be no client for it.
pub(super) fn registry(config: &RegistryConfig) -> Result<Option<Registry>, ClientError> {
    let Some(url) = &config.url else { return Ok(None) };
    Ok(Some(Registry::new(registry_at(config, url.as_str())?)))
}

/// A client of the registry at `url`, with the configured credentials.
///
/// # Errors
/// There can be no client for it.
pub(super) fn registry_at(config: &RegistryConfig, url: &str) -> Result<Client, ClientError> {
    let login = config.username.as_ref().zip(config.password.as_ref());
    Client::new(&registry::ClientSettings {
        url: url.to_owned(),
        login: login.map(|(name, password)| (name.as_str().to_owned(), password.expose().to_owned())),
        ca: config.ca.clone(),
        timeout: config.timeout,
    })
}

/// The catalog of the configured file, else the one that is compiled in.
///
/// # Errors
/// The file cannot be read, or holds no valid catalog.
pub(super) fn catalog(config: &CatalogConfig) -> anyhow::Result<Catalog> {
    let Some(file) = &config.file else { return Ok(Catalog::builtin()?) };
    let text =
        std::fs::read_to_string(file).with_context(|| format!("could not read the catalog {}", file.display()))?;
    Catalog::parse(&text).with_context(|| format!("in {}", file.display()))
}
