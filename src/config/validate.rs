//! The rules between settings; each setting's own rule is its type's and its range's.

use std::path::{Path, PathBuf};

use super::kafka::{GroupProtocol, SaslMechanism};
use super::reader::{Reader, Rules};
use super::table::{
    BatchConfig, CatalogConfig, Config, DatabaseConfig, HttpConfig, InFlightConfig, JobsConfig, KafkaConfig,
    LimitsConfig, LogConfig, OutboxConfig, RegistryConfig, TopicsConfig,
};
use super::url::HttpUrl;
use crate::codec::Limits;

impl LimitsConfig {
    /// The limits on one record.
    pub(crate) fn of_a_record(&self) -> Limits {
        let max_future_ms = i64::try_from(self.max_future.as_millis()).unwrap_or(i64::MAX);
        Limits { max_value_bytes: self.max_value_bytes.0, max_future_ms }
    }
}

impl Rules for BatchConfig {}
impl Rules for InFlightConfig {}
impl Rules for OutboxConfig {}
impl Rules for JobsConfig {}
impl Rules for LogConfig {}

impl Rules for Config {
    /// A record must fit into a batch, and a batch into the in-flight budget; else the process would make no progress.
    /// Rejections held back do not count as in flight.
    fn check(&self, reader: &mut Reader<'_>) {
        let (batch, in_flight, longest) = (&self.batch, &self.in_flight, self.limits.max_value_bytes);
        below(reader, ("batch.max_wait", batch.max_wait), ("kafka.max_poll_interval", self.kafka.max_poll_interval));
        at_least(reader, ("batch.max_bytes", batch.max_bytes), ("limits.max_value_bytes", longest));
        at_least(reader, ("in_flight.max_bytes", in_flight.max_bytes), ("batch.max_bytes", batch.max_bytes));
        at_least(reader, ("in_flight.max_records", in_flight.max_records), ("batch.max_records", batch.max_records));
    }
}

impl Rules for LimitsConfig {
    fn check(&self, reader: &mut Reader<'_>) {
        let longest = ("limits.max_value_bytes", self.max_value_bytes);
        at_least(reader, ("limits.max_consecutive_rejection_bytes", self.max_consecutive_rejection_bytes), longest);
    }
}

impl Rules for DatabaseConfig {
    fn check(&self, reader: &mut Reader<'_>) {
        let rule = "must not be true beside database.pooled: migrations need a session of their own";
        reader.must(!(self.pooled && self.migrate), "database.migrate", rule);
    }
}

impl Rules for HttpConfig {
    fn check(&self, reader: &mut Reader<'_>) {
        let (certificate, key) = (self.certificate.is_some(), self.key.is_some());
        together(reader, ("http.certificate", certificate), ("http.key", key));
        readable(reader, "http.certificate", self.certificate.as_deref());
        readable(reader, "http.key", self.key.as_deref());
        let rule = "must not be true beside http.token: the token would protect nothing";
        reader.must(!self.allow_anonymous || self.token.is_none(), "http.allow_anonymous", rule);
        let rule = "needs http.token or http.allow_anonymous: without them users' data are closed";
        reader.must(!self.user_page || self.token.is_some() || self.allow_anonymous, "http.user_page", rule);
    }
}

impl Rules for CatalogConfig {
    fn check(&self, reader: &mut Reader<'_>) {
        readable(reader, "catalog.file", self.file.as_deref());
    }
}

impl Rules for RegistryConfig {
    fn check(&self, reader: &mut Reader<'_>) {
        let (name, password) = (self.username.is_some(), self.password.is_some());
        let (certificate, key) = (self.certificate.is_some(), self.key.is_some());
        let by_token = self.oauth_token_url.is_some();
        for (key, is_given) in [
            ("registry.username", name),
            ("registry.password", password),
            ("registry.token", self.token.is_some()),
            ("registry.oauth_token_url", by_token),
            ("registry.ca", self.ca.is_some()),
            ("registry.certificate", certificate),
            ("registry.key", key),
        ] {
            reader.must(self.url.is_some() || !is_given, key, "needs registry.url");
        }
        together(reader, ("registry.username", name), ("registry.password", password));
        let rule = "must not be set beside registry.username: one of them identifies this process";
        reader.must(!name || self.token.is_none(), "registry.token", rule);
        for (key, is_given) in
            [("registry.oauth_scope", self.oauth_scope.is_some()), ("registry.oauth_ca", self.oauth_ca.is_some())]
        {
            reader.must(by_token || !is_given, key, "needs registry.oauth_token_url");
        }
        reader.must(name || !by_token, "registry.username", "must be set beside registry.oauth_token_url");
        together(reader, ("registry.certificate", certificate), ("registry.key", key));
        let (registry, provider) = (self.url.as_ref(), self.oauth_token_url.as_ref());
        for (key, file, of) in [
            ("registry.ca", &self.ca, ("registry.url", registry)),
            ("registry.certificate", &self.certificate, ("registry.url", registry)),
            ("registry.key", &self.key, ("registry.url", registry)),
            ("registry.oauth_ca", &self.oauth_ca, ("registry.oauth_token_url", provider)),
        ] {
            for_tls(reader, key, file.as_deref(), of);
        }
    }
}

impl Rules for KafkaConfig {
    fn check(&self, reader: &mut Reader<'_>) {
        credentials(self, reader);
        encryption(self, reader);
        for (name, rule) in self.properties.problems() {
            reader.refuse_entry("kafka.properties", &name, rule);
        }
        let poll = ("kafka.max_poll_interval", self.max_poll_interval);
        below(reader, ("kafka.drain_deadline", self.drain_deadline), poll);
        match self.group_protocol {
            GroupProtocol::Classic => {
                let rule = "must not be more than kafka.max_poll_interval";
                reader.must(self.session_timeout <= self.max_poll_interval, "kafka.session_timeout", rule);
            }
            GroupProtocol::Consumer => {
                let is_chosen = reader.is_chosen("kafka.session_timeout");
                reader.must(!is_chosen, "kafka.session_timeout", OF_THE_BROKERS);
                if self.properties.has(HEARTBEAT) {
                    reader.refuse_entry("kafka.properties", HEARTBEAT, OF_THE_BROKERS);
                }
            }
        }
    }
}

/// A property that librdkafka refuses beside `group.protocol=consumer`, as it does `session.timeout.ms`.
const HEARTBEAT: &str = "heartbeat.interval.ms";

const OF_THE_BROKERS: &str =
    "must not be set where kafka.group_protocol is consumer: the brokers' group.consumer settings decide";

fn credentials(kafka: &KafkaConfig, reader: &mut Reader<'_>) {
    let needs_password = kafka.sasl_mechanism != Some(SaslMechanism::AwsMskIam);
    for (key, is_given, is_needed) in [
        ("kafka.sasl_mechanism", kafka.sasl_mechanism.is_some(), true),
        ("kafka.sasl_username", kafka.sasl_username.is_some(), needs_password),
        ("kafka.sasl_password", kafka.sasl_password.is_some(), needs_password),
    ] {
        let rule = match (is_given, is_needed) {
            (true, true) => "needs kafka.security_protocol to be sasl_plaintext or sasl_ssl",
            (true, false) => "must not be set beside AWS_MSK_IAM: the credentials are those of AWS",
            (false, _) => "must be set where kafka.security_protocol is sasl_plaintext or sasl_ssl",
        };
        reader.must(is_given == (is_needed && kafka.security_protocol.uses_sasl()), key, rule);
    }
    if kafka.sasl_mechanism == Some(SaslMechanism::AwsMskIam) {
        let rule = "AWS_MSK_IAM is not built in: build with `--features msk-iam`";
        reader.must(cfg!(feature = "msk-iam"), "kafka.sasl_mechanism", rule);
    }
    tokens(kafka, reader);
}

fn tokens(kafka: &KafkaConfig, reader: &mut Reader<'_>) {
    let by_token = kafka.sasl_mechanism == Some(SaslMechanism::OauthBearer);
    let url = "kafka.sasl_oauth_token_url";
    reader.must(!by_token || kafka.sasl_oauth_token_url.is_some(), url, "must be set beside OAUTHBEARER");
    for (key, is_given) in [
        (url, kafka.sasl_oauth_token_url.is_some()),
        ("kafka.sasl_oauth_scope", kafka.sasl_oauth_scope.is_some()),
        ("kafka.sasl_oauth_ca", kafka.sasl_oauth_ca.is_some()),
    ] {
        reader.must(by_token || !is_given, key, "needs kafka.sasl_mechanism to be OAUTHBEARER");
    }
    for_tls(reader, "kafka.sasl_oauth_ca", kafka.sasl_oauth_ca.as_deref(), (url, kafka.sasl_oauth_token_url.as_ref()));
}

/// A file for connections to a server counts only where they are encrypted.
fn for_tls(reader: &mut Reader<'_>, key: &str, file: Option<&Path>, (of, url): (&str, Option<&HttpUrl>)) {
    let is_plain = url.is_some_and(|url| !url.uses_tls());
    let rule = format!("needs {of} to begin with https://: connections are not encrypted now");
    reader.must(file.is_none() || !is_plain, key, rule);
    readable(reader, key, file);
}

fn encryption(kafka: &KafkaConfig, reader: &mut Reader<'_>) {
    let files: [(&str, &Option<PathBuf>); 3] = [
        ("kafka.ssl_ca", &kafka.ssl_ca),
        ("kafka.ssl_certificate", &kafka.ssl_certificate),
        ("kafka.ssl_key", &kafka.ssl_key),
    ];
    for (key, path) in files {
        let rule = "needs kafka.security_protocol to be ssl or sasl_ssl: connections are not encrypted now";
        reader.must(path.is_none() || kafka.security_protocol.uses_tls(), key, rule);
        readable(reader, key, path.as_deref());
    }
    let key = kafka.ssl_key.is_some();
    together(reader, ("kafka.ssl_certificate", kafka.ssl_certificate.is_some()), ("kafka.ssl_key", key));
    reader.must(kafka.ssl_key_password.is_none() || key, "kafka.ssl_key_password", "needs kafka.ssl_key");
}

impl Rules for TopicsConfig {
    fn check(&self, reader: &mut Reader<'_>) {
        let named = [
            ("topics.onboarding_completed", &self.onboarding_completed),
            ("topics.profile_updated", &self.profile_updated),
            ("topics.segment_changed", &self.segment_changed),
            ("topics.dead_letter", &self.dead_letter),
        ];
        for (index, (key, topic)) in named.iter().enumerate() {
            if let Some((first, _)) = named.iter().take(index).find(|(_, other)| other == topic) {
                // Where only one of the two is set, the error names that one.
                let (blamed, other) =
                    if !reader.is_chosen(key) && reader.is_chosen(first) { (first, key) } else { (key, first) };
                reader.refuse(blamed, format!("must not be the topic of {other}"));
            }
        }
    }
}

fn below<T: PartialOrd>(reader: &mut Reader<'_>, (key, value): (&str, T), (greater, bound): (&str, T)) {
    reader.must(value < bound, key, format!("must be less than {greater}"));
}

fn at_least<T: PartialOrd>(reader: &mut Reader<'_>, (key, value): (&str, T), (least, bound): (&str, T)) {
    reader.must(value >= bound, key, format!("must not be less than {least}"));
}

/// Either both settings are given or none.
fn together(reader: &mut Reader<'_>, one: (&str, bool), other: (&str, bool)) {
    for ((key, is_given), (missing, is_other_given)) in [(one, other), (other, one)] {
        reader.must(!is_given || is_other_given, missing, format!("must be set beside {key}"));
    }
}

fn readable(reader: &mut Reader<'_>, key: &str, path: Option<&Path>) {
    if let Some(Err(error)) = path.map(std::fs::File::open) {
        reader.refuse(key, format!("cannot be read: {error}"));
    }
}
