//! Configures librdkafka's clients: the properties that the promises depend on.

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaResult;
use tracing::warn;

use super::client_events::ClientEvents;
use super::producer::Producer;
#[cfg(feature = "msk-iam")]
use crate::config::SaslMechanism;
use crate::config::{GroupProtocol, KafkaConfig, TopicsConfig};
use crate::domain::event::Kind;
#[cfg(feature = "msk-iam")]
use crate::identity::msk_iam::MskIam;
use crate::identity::oauth::ClientCredentials;
use crate::identity::tokens::{Source, Tokens};

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
    pub(crate) fn kind_of(&self, topic: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| self.input(*kind) == topic)
    }

    /// Converts a map keyed by topic name into one keyed by kind; names that are not input topics are dropped.
    pub(crate) fn by_kind<T: Copy>(&self, by_name: &HashMap<String, T>) -> HashMap<Kind, T> {
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

/// The reconnect backoff. With librdkafka's default of 100 ms a refused client makes 20 TLS handshakes a second: a client
/// without any connection connects twice per `reconnect.backoff.ms`, whatever the broker answered.
/// Where the operator sets one of the two, neither default applies, since the two have to fit each other.
const RECONNECT: [(&str, &str); 2] = [("reconnect.backoff.ms", "1000"), ("reconnect.backoff.max.ms", "3000")];

/// What finds out that a broker is silent: a request without an answer closes its connection, and the kernel probes an idle
/// one. A broker answers a fetch within its `fetch.wait.max.ms`; a join of the group has a longer deadline of its own.
const SILENT_BROKERS: [(&str, &str); 3] = [
    ("socket.keepalive.enable", "true"),
    ("socket.timeout.ms", "15000"),
    ("socket.connection.setup.timeout.ms", "10000"),
];

/// How long a client may take to close.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);

/// Closes a client that reads. A client thread that decompresses a truncated gzip stream never returns (docs/decisions/0028),
/// so the close has a deadline; past it, the process ends without waiting for the client.
pub fn close(client: impl Send + 'static) {
    let (done, is_closed) = mpsc::channel();
    let closing = move || {
        drop(client);
        // The receiver is gone once the deadline has passed.
        let _ = done.send(());
    };
    // If no thread can be started, the client is dropped here.
    let started = thread::Builder::new().name("closing".to_owned()).spawn(closing);
    if started.is_ok() && is_closed.recv_timeout(LONGEST_CLOSE).is_err() {
        warn!(
            "a Kafka client does not close, possibly because of a truncated gzip batch; the process will end without waiting \
             for it"
        );
    }
}

/// How to reach the cluster: bootstrap servers, security, and the operator's own properties.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    pub properties: Vec<(String, String)>,
    /// Where clients log in with tokens.
    pub tokens: Option<Tokens>,
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
        set("sasl.mechanism", kafka.sasl_mechanism.map(|mechanism| mechanism.of_the_protocol().to_owned()));
        let tokens = tokens(kafka);
        if tokens.is_none() {
            set("sasl.username", kafka.sasl_username.as_ref().map(|name| name.as_str().to_owned()));
            set("sasl.password", kafka.sasl_password.as_ref().map(|secret| secret.expose().to_owned()));
        }
        set("ssl.ca.location", path(&kafka.ssl_ca));
        set("ssl.certificate.location", path(&kafka.ssl_certificate));
        set("ssl.key.location", path(&kafka.ssl_key));
        set("ssl.key.password", kafka.ssl_key_password.as_ref().map(|secret| secret.expose().to_owned()));
        Self { properties, tokens }
    }
}

/// The tokens with which clients log in, where the mechanism is one of tokens.
fn tokens(kafka: &KafkaConfig) -> Option<Tokens> {
    #[cfg(feature = "msk-iam")]
    if kafka.sasl_mechanism == Some(SaslMechanism::AwsMskIam) {
        return Some(Tokens::of(Source::MskIam(MskIam::of_process(&kafka.brokers.joined()))));
    }
    let url = kafka.sasl_oauth_token_url.as_ref()?;
    let (client_id, secret) = kafka.sasl_username.as_ref().zip(kafka.sasl_password.clone())?;
    Some(Tokens::of(Source::OAuth(ClientCredentials {
        url: url.as_str().to_owned(),
        client_id: client_id.as_str().to_owned(),
        secret,
        scope: kafka.sasl_oauth_scope.as_ref().map(|scope| scope.as_str().to_owned()),
        ca: kafka.sasl_oauth_ca.clone(),
        ca_setting: "kafka.sasl_oauth_ca",
    })))
}

impl Cluster {
    /// `tuning` gives defaults; a property that the operator sets, under either of its names, overrides them.
    fn config(&self, tuning: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in SILENT_BROKERS.iter().chain(tuning) {
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

    /// A consumer's configuration. Only this service commits offsets and sets start positions.
    pub fn consumer(&self, kafka: &KafkaConfig) -> ClientConfig {
        let mut config = self.config(&[
            // Short, so that a change is published soon after its event.
            ("fetch.wait.max.ms", "100"),
            // Per partition, compressed. Fetched data is held uncompressed, often ten times as large, and a fetch returns
            // this much of every partition, whatever room is left in the queue.
            ("fetch.message.max.bytes", "131072"),
        ]);
        config
            .set("group.id", kafka.group_id.as_str())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("max.poll.interval.ms", kafka.max_poll_interval.as_millis().to_string())
            .set("allow.auto.create.topics", "false")
            // So that a topic that is created after the start is found soon.
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("statistics.interval.ms", "1000")
            // Bounds the prefetch: the default is 64 MiB for each partition queue.
            .set("queued.max.messages.kbytes", "8192")
            .set("fetch.queue.backoff.ms", "50");
        // The client refuses the properties of the one protocol beside the other.
        match kafka.group_protocol {
            GroupProtocol::Classic => config
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", kafka.session_timeout.as_millis().to_string()),
            // Without these lines nothing tells that the brokers do not have the protocol.
            GroupProtocol::Consumer => {
                config.set("group.protocol", "consumer").set("debug", "cgrp").set_log_level(RDKafkaLogLevel::Debug)
            }
        };
        config
    }

    /// The configuration of a client for requests about metadata and offsets.
    pub fn admin(&self) -> ClientConfig {
        self.config(&[])
    }

    /// The configuration of a reader that assigns itself partitions from an offset to an end. librdkafka requires a `group`;
    /// the reader never joins it and commits nothing.
    pub fn reader(&self, group: &str) -> ClientConfig {
        let mut config = self.config(&[
            // Short, because the end of a partition is reported only when a fetch returns.
            ("fetch.wait.max.ms", "100"),
        ]);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // The reader names the records that retention deletes before they are read, and goes on behind them.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false")
            .set("queued.max.messages.kbytes", "16384");
        config
    }

    /// An idempotent producer (no loss, no reordering) that partitions by key as the Java and KafkaJS clients do.
    pub fn producer(&self, events: ClientEvents) -> KafkaResult<Producer> {
        let mut config = self.config(&[
            // A batch of changes is handed to the client in less time than this.
            ("linger.ms", "0.5"),
            // KafkaJS reads only uncompressed and gzip, and gzip costs more CPU than all the rest of producing.
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
        self.producer(self.events(name))
    }

    /// The events of a client that reports under `name`.
    pub fn events(&self, name: &'static str) -> ClientEvents {
        ClientEvents::new(name, self.tokens.clone())
    }
}

/// librdkafka's other name for a property that is tuned here. If both names were set, the last one would win, and the order
/// is not defined.
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
    fn one_reconnect_backoff_set_by_the_operator_replaces_both_defaults() {
        let config = |properties: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Cluster { properties: properties.iter().map(own).collect(), tokens: None }.admin()
        };
        let times = |config: &ClientConfig| RECONNECT.map(|(name, _)| config.get(name).map(str::to_owned));
        assert_eq!(times(&config(&[])), [Some("1000".to_owned()), Some("3000".to_owned())]);
        assert_eq!(times(&config(&[("reconnect.backoff.max.ms", "500")])), [None, Some("500".to_owned())]);
    }
}
