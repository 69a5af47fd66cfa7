//! Configuring librdkafka's clients: the properties that the promises rest on, and the events every client reports.

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaResult;
use tracing::warn;

use super::client_events::ClientEvents;
use super::producer::Producer;
use crate::config::{KafkaConfig, TopicsConfig};
use crate::domain::event::Kind;

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

impl From<&TopicsConfig> for Topics {
    fn from(config: &TopicsConfig) -> Self {
        Self {
            onboarding_completed: config.onboarding_completed.as_str().to_owned(),
            profile_updated: config.profile_updated.as_str().to_owned(),
            segment_changed: config.segment_changed.as_str().to_owned(),
            dead_letter: config.dead_letter.as_str().to_owned(),
        }
    }
}

/// How soon a client knocks again. librdkafka's own 100 ms are 20 TLS handshakes a second where a client is refused: while
/// it has no connection at all, it knocks twice in the first of these spans, whatever it was answered.
/// An operator who sets one of the two decides about both, since they have to fit each other.
const RECONNECT: [(&str, &str); 2] = [("reconnect.backoff.ms", "1000"), ("reconnect.backoff.max.ms", "3000")];

/// How long a client may take to close.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);

/// Closes a client that reads. A thread of the client's that unpacks a gzip stream which ends early never comes back (docs/decisions/0028):
/// then closing goes on beside the rest of the process, which ends without it.
pub fn close(client: impl Send + 'static) {
    let (done, is_closed) = mpsc::channel();
    let closing = move || {
        drop(client);
        // Nobody listens any more where it took too long.
        let _ = done.send(());
    };
    // Where there is no thread to be had, the client is dropped here.
    let started = thread::Builder::new().name("closing".to_owned()).spawn(closing);
    if started.is_ok() && is_closed.recv_timeout(LONGEST_CLOSE).is_err() {
        warn!(
            "a Kafka client does not close, as where a batch compressed with gzip ends too early; the process will end without \
             waiting for it"
        );
    }
}

/// How to reach the cluster: bootstrap servers, security, and what the operator adds.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    pub properties: Vec<(String, String)>,
}

impl From<&KafkaConfig> for Cluster {
    fn from(kafka: &KafkaConfig) -> Self {
        let mut properties: Vec<(String, String)> =
            kafka.properties.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut set = |name: &str, value: Option<String>| {
            properties.extend(value.map(|value| (name.to_owned(), value)));
        };
        let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
        set("bootstrap.servers", Some(kafka.brokers.joined()));
        set("client.id", Some(kafka.client_id.as_str().to_owned()));
        set("security.protocol", Some(kafka.security_protocol.as_str().to_owned()));
        set("sasl.mechanism", kafka.sasl_mechanism.map(|mechanism| mechanism.as_str().to_owned()));
        set("sasl.username", kafka.sasl_username.as_ref().map(|name| name.as_str().to_owned()));
        set("sasl.password", kafka.sasl_password.as_ref().map(|secret| secret.expose().to_owned()));
        set("ssl.ca.location", path(&kafka.ssl_ca));
        set("ssl.certificate.location", path(&kafka.ssl_certificate));
        set("ssl.key.location", path(&kafka.ssl_key));
        set("ssl.key.password", kafka.ssl_key_password.as_ref().map(|secret| secret.expose().to_owned()));
        Self { properties }
    }
}

impl Cluster {
    /// `tuning` holds where the operator has set nothing, under either name of a property.
    fn config(&self, tuning: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in tuning {
            let names = [Some(*key), alias(key)];
            if !self.properties.iter().any(|(set, _)| names.contains(&Some(set))) {
                config.set(*key, *value);
            }
        }
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        if RECONNECT.iter().all(|(key, _)| config.get(key).is_none()) {
            for (key, value) in RECONNECT {
                config.set(key, value);
            }
        }
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// A consumer's configuration. Offsets are committed by us alone and start where we say.
    pub fn consumer(&self, group: &str, session_timeout: Duration, max_poll_interval: Duration) -> ClientConfig {
        let mut config = self.config(&[
            // Short, so that a change is published soon after its event.
            ("fetch.wait.max.ms", "100"),
            // Of each partition, compressed. What is fetched lies in memory uncompressed, often ten times as large, and a
            // fetch brings this much of every partition, whatever room is left in the queue.
            ("fetch.message.max.bytes", "131072"),
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
            .set("queued.max.messages.kbytes", "8192")
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
    pub fn producer(&self, events: ClientEvents) -> KafkaResult<Producer> {
        let mut config = self.config(&[
            // What is published together is handed to the client within less.
            ("linger.ms", "0.5"),
            // Every client reads what is not compressed; KafkaJS, of the rest, only gzip, which costs more than all else.
            ("compression.type", "none"),
        ]);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", "10000")
            .set("message.max.bytes", "104857600")
            .set("allow.auto.create.topics", "false");
        Producer::new(&config, events)
    }

    /// A producer that reports under `name`.
    pub fn named_producer(&self, name: &'static str) -> KafkaResult<Producer> {
        self.producer(ClientEvents::new(name))
    }
}

/// The other name that librdkafka has for a property that we tune. Of two names set the one that comes last would hold, and
/// their order is not ours to choose.
fn alias(property: &str) -> Option<&'static str> {
    match property {
        "compression.type" => Some("compression.codec"),
        "fetch.message.max.bytes" => Some("max.partition.fetch.bytes"),
        "linger.ms" => Some("queue.buffering.max.ms"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_who_sets_one_of_the_two_times_of_reconnecting_decides_about_both() {
        let config = |properties: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Cluster { properties: properties.iter().map(own).collect() }.admin()
        };
        let times = |config: &ClientConfig| RECONNECT.map(|(name, _)| config.get(name).map(str::to_owned));
        assert_eq!(times(&config(&[])), [Some("1000".to_owned()), Some("3000".to_owned())]);
        assert_eq!(times(&config(&[("reconnect.backoff.max.ms", "500")])), [None, Some("500".to_owned())]);
    }
}
