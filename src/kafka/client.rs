//! Configuring librdkafka's clients: the properties that the promises rest on, and the events every client reports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tracing::{debug, error, info, warn};

use super::produce::Producer;
use crate::event::Kind;

/// The names of the four topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    pub onboarding_completed: String,
    pub profile_updated: String,
    pub segment_changed: String,
    pub dead_letter: String,
}

impl Topics {
    /// The input topic of this kind.
    pub fn input(&self, kind: Kind) -> &str {
        match kind {
            Kind::OnboardingCompleted => &self.onboarding_completed,
            Kind::ProfileUpdated => &self.profile_updated,
        }
    }

    /// The kind of an input topic.
    pub fn kind_of(&self, topic: &str) -> Option<Kind> {
        [Kind::OnboardingCompleted, Kind::ProfileUpdated].into_iter().find(|kind| self.input(*kind) == topic)
    }

    /// What is known by name of the input topics, by kind.
    pub fn by_kind<T: Copy>(&self, by_name: &HashMap<String, T>) -> HashMap<Kind, T> {
        by_name.iter().filter_map(|(name, value)| Some((self.kind_of(name)?, *value))).collect()
    }

    pub fn all(&self) -> [&str; 4] {
        [&self.onboarding_completed, &self.profile_updated, &self.segment_changed, &self.dead_letter]
    }
}

/// How to reach the cluster: bootstrap servers, security, and what the operator adds.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    pub properties: Vec<(String, String)>,
}

impl Cluster {
    /// `tuning` holds where the operator has set nothing.
    fn config(&self, tuning: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in tuning {
            config.set(*key, *value);
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// A consumer's configuration. Offsets are committed by us alone and start where we say.
    pub fn consumer(&self, group: &str, session_timeout: Duration, max_poll_interval: Duration) -> ClientConfig {
        let mut config = self.config(&[
            // Short, so that a change is said soon after its event.
            ("fetch.wait.max.ms", "100"),
        ]);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_timeout.as_millis().to_string())
            .set("max.poll.interval.ms", max_poll_interval.as_millis().to_string())
            .set("allow.auto.create.topics", "false")
            // A topic that is missing at the start is noticed soon after it appears.
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("statistics.interval.ms", "1000")
            // Bounds what is fetched ahead: the default would hold 64 MiB a partition queue.
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.queue.backoff.ms", "50");
        config
    }

    /// The configuration of a client that only asks.
    pub fn admin(&self) -> ClientConfig {
        self.config(&[])
    }

    /// The configuration of a reader that takes partitions from a place to an end by itself. `group` is named because the
    /// client asks for one; it is never joined, and nothing is committed.
    pub fn reader(&self, group: &str) -> ClientConfig {
        let mut config = self.config(&[
            // An end is noticed only when a fetch returns.
            ("fetch.wait.max.ms", "100"),
        ]);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // What retention takes while it is read is skipped.
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false")
            .set("queued.max.messages.kbytes", "16384");
        config
    }

    /// A producer that neither loses nor reorders, and spreads keys as the Java and KafkaJS clients expect.
    pub fn producer<C>(&self, context: C) -> KafkaResult<rdkafka::producer::FutureProducer<C>>
    where
        C: ClientContext + 'static,
    {
        let mut config = self.config(&[]);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", "10000")
            .set("linger.ms", "2")
            .set("compression.type", "zstd")
            .set("message.max.bytes", "104857600")
            .set("allow.auto.create.topics", "false");
        rdkafka::producer::FutureProducer::from_config_and_context(&config, context)
    }

    /// A producer that reports under `name`.
    pub fn named_producer(&self, name: &'static str) -> KafkaResult<Producer> {
        self.producer(ClientEvents::new(name))
    }
}

/// Logs what a client reports of itself, and keeps why the brokers do not let it in.
#[derive(Debug, Clone)]
pub struct ClientEvents {
    client: &'static str,
    refusal: Arc<Mutex<Option<String>>>,
}

impl ClientEvents {
    /// Reports under `client`, which is one of this process's.
    pub fn new(client: &'static str) -> Self {
        Self { client, refusal: Arc::default() }
    }

    /// What the brokers, or our own check of their certificate, last had against us; nothing where they were not even
    /// reached since.
    pub fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, error: &KafkaError, reason: &str) {
        let refusal = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => Some(reason.to_owned()),
            // A handshake that failed is told in either way.
            Some(RDKafkaErrorCode::BrokerTransportFailure) if !reason.contains("SSL") => None,
            _ => return,
        };
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}

impl ClientContext for ClientEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_client_line(self.client, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.remember(&error, reason);
        log_client_error(self.client, &error, reason);
    }
}

impl ConsumerContext for ClientEvents {}

/// A line of librdkafka's log. What it calls an error is often its own retry, so nothing is raised above a warning.
pub fn log_client_line(client: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            error!(client, facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => warn!(client, facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => info!(client, facility, "{message}"),
        RDKafkaLogLevel::Debug => debug!(client, facility, "{message}"),
    }
}

/// An error event: brokers that are away and the like, of which the client recovers by itself.
pub fn log_client_error(client: &str, error: &KafkaError, reason: &str) {
    warn!(client, %error, reason, "Kafka client");
}
