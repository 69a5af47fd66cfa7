//! The types of the settings for Kafka, and the librdkafka properties that may be set beside them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;

use rdkafka::config::ClientConfig;

use super::value::{REDACTED, Shape, Value, choice};

choice! {
    /// How connections to the brokers are secured.
    pub enum SecurityProtocol {
        Plaintext = "plaintext",
        Ssl = "ssl",
        SaslPlaintext = "sasl_plaintext",
        SaslSsl = "sasl_ssl",
    }
}

impl SecurityProtocol {
    /// The connection is encrypted.
    pub(crate) fn uses_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// The client logs in by SASL.
    pub(crate) fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

choice! {
    /// The SASL mechanism.
    pub enum SaslMechanism {
        Plain = "PLAIN",
        ScramSha256 = "SCRAM-SHA-256",
        ScramSha512 = "SCRAM-SHA-512",
        /// A token of an identity provider.
        OauthBearer = "OAUTHBEARER",
        /// Amazon MSK's access control: a request signed with AWS credentials, as a token.
        AwsMskIam = "AWS_MSK_IAM",
    }
    "GSSAPI (Kerberos) is not built in"
}

impl SaslMechanism {
    /// The mechanism for librdkafka: MSK's tokens are sent as any other.
    pub(crate) fn of_the_protocol(self) -> &'static str {
        match self {
            Self::AwsMskIam => Self::OauthBearer.as_str(),
            other => other.as_str(),
        }
    }
}

choice! {
    /// How the group shares the partitions among its members.
    pub enum GroupProtocol {
        /// A member assigns them.
        Classic = "classic",
        /// The brokers assign them, and set the session timeout: KIP-848.
        Consumer = "consumer",
    }
}

choice! {
    /// The start position of a group without committed offsets.
    pub enum InitialOffset {
        Earliest = "earliest",
        Latest = "latest",
    }
}

choice! {
    /// The policy for a committed offset that is no longer in its partition.
    pub enum OutOfRange {
        /// The process ends: records are lost, which needs an operator.
        Stop = "stop",
        Earliest = "earliest",
        Latest = "latest",
    }
}

choice! {
    /// The encoding of values on segment-changed.
    pub enum Encoding {
        Json = "json",
        /// Single-object encoding with `schemas/segment-changed.avsc`.
        Avro = "avro",
    }
}

/// Bootstrap brokers, each `host:port`; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brokers(Vec<String>);

impl Brokers {
    /// In the form of librdkafka's `bootstrap.servers`.
    pub fn joined(&self) -> String {
        self.0.join(",")
    }
}

impl Value for Brokers {
    const KIND: &'static str = "list of host:port";
    const SHAPE: Shape = Shape::List;

    fn parse(text: &str) -> Result<Self, String> {
        let brokers: Vec<String> = text.split(',').map(|broker| broker.trim().to_owned()).collect();
        if brokers.iter().all(|broker| is_host_and_port(broker)) {
            Ok(Self(brokers))
        } else {
            Err("must be brokers as host:port, separated by commas".into())
        }
    }

    fn show(text: &str) -> String {
        // Any other text may be a URL with a password in it.
        if Self::parse(text).is_ok() { text.into() } else { REDACTED.into() }
    }
}

/// `host:port` with a name, an IPv4 address or an IPv6 address in brackets, and a port that is not 0.
fn is_host_and_port(broker: &str) -> bool {
    let Some((host, port)) = broker.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_is_valid = match bare {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    let port_is_valid =
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    host_is_valid && port_is_valid
}

/// A topic's name by Kafka's rule: 1 to 249 of `a-z A-Z 0-9 . _ -`, and neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicName(String);

impl TopicName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for TopicName {
    const KIND: &'static str = "topic name";

    fn parse(text: &str) -> Result<Self, String> {
        let characters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if characters && (1..=249).contains(&text.len()) && text != "." && text != ".." {
            Ok(Self(text.into()))
        } else {
            Err("must be a Kafka topic name: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-', and not '.' or '..'".into())
        }
    }
}

/// Properties that would break a promise, by the reason for refusing them.
const REFUSED: &[(&str, &str)] = &[
    (
        "it has a setting of its own",
        "bootstrap.servers client.id group.id group.protocol max.poll.interval.ms metadata.broker.list sasl.mechanism \
         sasl.mechanisms sasl.password sasl.username security.protocol session.timeout.ms ssl.ca.location \
         ssl.certificate.location ssl.key.location ssl.key.password",
    ),
    (
        "a change is published only when every replica has it, once and in order",
        "acks enable.gapless.guarantee enable.idempotence max.in.flight max.in.flight.requests.per.connection \
         message.send.max.retries request.required.acks retries",
    ),
    (
        "offsets are committed only past finished records",
        "auto.commit.enable auto.commit.interval.ms enable.auto.commit enable.auto.offset.store",
    ),
    (
        "partitions are handed over one by one, and soon after a process has ended",
        "group.instance.id group.protocol.type group.remote.assignor partition.assignment.strategy",
    ),
    ("records of one user must go to the same partition as those of Java and KafkaJS clients", "partitioner"),
    ("start positions are decided by kafka.initial_offset and kafka.out_of_range", "auto.offset.reset"),
    ("the outbox's lease must outlast it", "delivery.timeout.ms message.timeout.ms"),
    ("the end of a partition ends a rejection run", "enable.partition.eof"),
    ("records of aborted transactions must not be read", "isolation.level"),
    ("one idempotent producer publishes the changes, without transactions", "transactional.id"),
    ("it is set by segmenter itself", "builtin.features consume.callback.max.messages"),
    ("it accepts any token", "enable.sasl.oauthbearer.unsecure.jwt"),
    (
        "segmenter itself requests the tokens (kafka.sasl_oauth_token_url)",
        "sasl.oauthbearer.client.id sasl.oauthbearer.client.secret sasl.oauthbearer.method sasl.oauthbearer.scope \
         sasl.oauthbearer.token.endpoint.url",
    ),
    (
        "the identity of the broker would not be verified",
        "enable.ssl.certificate.verification ssl.endpoint.identification.algorithm",
    ),
    ("librdkafka loses its position behind a damaged batch (docs/decisions/0028)", "check.crcs"),
    ("it loads foreign code", "plugin.library.paths"),
];

/// A property of [`REFUSED`] with the value that keeps the promise, librdkafka's default.
const VERIFIES_NAMES: (&str, &str) = ("ssl.endpoint.identification.algorithm", "https");

/// Extra librdkafka properties by name. Its `Debug` shows the names alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl KafkaProperties {
    /// Name and value of each property, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether this property is set.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The name of each refused property, with the rule that it breaks.
    pub fn problems(&self) -> Vec<(String, String)> {
        self.0.iter().filter_map(|(name, value)| Some((name.clone(), problem(name, value)?))).collect()
    }
}

/// The rule that one property breaks, if any.
fn problem(name: &str, value: &str) -> Option<String> {
    if (name, value) == VERIFIES_NAMES {
        return None;
    }
    if let Some((reason, _)) = REFUSED.iter().find(|(_, names)| names.split(' ').any(|refused| refused == name)) {
        return Some(format!("may not be set here: {reason}"));
    }
    // librdkafka's error would repeat the value.
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => None,
        Err(_) => Some("is not a property of librdkafka, or has a value it refuses".into()),
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.0.keys().map(|name| (name, REDACTED))).finish()
    }
}

impl Value for KafkaProperties {
    const KIND: &'static str = "table";
    const SHAPE: Shape = Shape::Table;

    fn parse(text: &str) -> Result<Self, String> {
        let pairs =
            text.lines().map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
        pairs.collect::<Option<_>>().map(Self).ok_or_else(|| "must be a table of librdkafka properties".into())
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    /// The names alone: some properties are secrets.
    fn show(text: &str) -> String {
        let names = text.lines().map(|line| line.split('=').next().unwrap_or_default());
        names.map(|name| format!("{name}={REDACTED}")).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_hosts_with_ports() {
        let brokers = Brokers::parse("a:9092, b.example.com:9093 ,[::1]:9092,10.0.0.1:1").unwrap();
        assert_eq!(brokers.joined(), "a:9092,b.example.com:9093,[::1]:9092,10.0.0.1:1");
        for text in ["", "a", "a:", ":9092", "a:0", "a:70000", "a:9092,", "::1:9092", "http://a:9092", "a:+1", "a b:1"]
        {
            assert!(Brokers::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn topic_names_follow_kafkas_rule() {
        for text in ["a", "dreamscape.user.onboarding.completed", "A_b-1", &"x".repeat(249)] {
            assert!(TopicName::parse(text).is_ok(), "{text}");
        }
        for text in ["", ".", "..", "a b", "a/b", "é", &"x".repeat(250)] {
            assert!(TopicName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_of_brokers_that_is_not_one_is_not_shown() {
        assert_eq!(Brokers::show("a:9092"), "a:9092");
        assert_eq!(Brokers::show("postgres://u:hush@h/db"), "***");
    }

    #[test]
    fn properties_that_would_break_a_promise_are_refused_with_the_reason() {
        let text = "acks=0\ncheck.crcs=true\nenable.auto.commit=true\npartitioner=random\nisolation.level=read_uncommitted\nqueued.min.messages=1";
        let problems = KafkaProperties::parse(text).unwrap().problems();
        let names: Vec<&str> = problems.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["acks", "check.crcs", "enable.auto.commit", "isolation.level", "partitioner"]);
        assert!(problems.iter().all(|(_, rule)| rule.starts_with("may not be set here: ")), "{problems:?}");
    }

    #[test]
    fn the_names_of_brokers_are_always_verified() {
        let names = |text: &str| {
            let problems = KafkaProperties::parse(text).unwrap().problems();
            problems.into_iter().map(|(name, rule)| format!("{name}: {rule}")).collect::<Vec<_>>().join("\n")
        };
        for value in ["none", "NONE", "0"] {
            let refused = names(&format!("ssl.endpoint.identification.algorithm={value}"));
            assert!(refused.contains("the identity of the broker would not be verified"), "{value}: {refused}");
        }
        assert_eq!(names("ssl.endpoint.identification.algorithm=https"), "");
        assert!(names("enable.ssl.certificate.verification=false").contains("would not be verified"));
    }

    #[test]
    fn unknown_properties_and_bad_values_are_found_and_no_value_is_repeated() {
        let problems = KafkaProperties::parse("no.such=hush\nfetch.min.bytes=hush\nlinger.ms=5").unwrap().problems();
        let names: Vec<&str> = problems.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["fetch.min.bytes", "no.such"]);
        assert!(!format!("{problems:?}").contains("hush"));
    }

    #[test]
    fn values_are_not_shown() {
        let text = "ssl.key.pem=hush\nlinger.ms=5";
        assert_eq!(KafkaProperties::show(text), "ssl.key.pem=*** linger.ms=***");
        assert!(!format!("{:?}", KafkaProperties::parse(text).unwrap()).contains("hush"));
    }
}
