//! The escape hatch: librdkafka properties that the table of settings does not have, and those that may not pass through it.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::config::ClientConfig;

use super::secret::REDACTED;
use super::value::Value;

const OFFSETS: &str = "offsets are committed only past finished work";
const NO_LOSS: &str = "a change is said only when every replica has it, once and in order";
const PLACEMENT: &str = "records of one user must go where Java and KafkaJS clients would put them";
const HANDOVER: &str = "partitions are handed over by the classic protocol's cooperative-sticky assignor";
const OWN_SETTING: &str = "it has a setting of its own";
const OURS: &str = "it is set by segmenter itself";

/// Properties that would break a promise, and why.
const REFUSED: &[(&str, &str)] = &[
    ("acks", NO_LOSS),
    ("auto.commit.enable", OFFSETS),
    ("auto.commit.interval.ms", OFFSETS),
    ("auto.offset.reset", "start positions are decided by kafka.start and kafka.out_of_range"),
    ("bootstrap.servers", OWN_SETTING),
    ("builtin.features", OURS),
    ("check.crcs", "librdkafka loses its place behind a damaged batch (docs/decisions/0028)"),
    ("client.id", OWN_SETTING),
    ("consume.callback.max.messages", OURS),
    ("delivery.timeout.ms", "the outbox's lease must outlast it"),
    ("enable.auto.commit", OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("enable.gapless.guarantee", NO_LOSS),
    ("enable.idempotence", NO_LOSS),
    ("enable.partition.eof", "the end of a partition ends a run of rejections"),
    ("enable.sasl.oauthbearer.unsecure.jwt", "it accepts anybody's token"),
    ("enable.ssl.certificate.verification", "whoever answers would be believed"),
    ("group.id", OWN_SETTING),
    ("group.instance.id", HANDOVER),
    ("group.protocol", HANDOVER),
    ("group.protocol.type", HANDOVER),
    ("group.remote.assignor", HANDOVER),
    ("isolation.level", "records of aborted transactions never happened"),
    ("max.in.flight", NO_LOSS),
    ("max.in.flight.requests.per.connection", NO_LOSS),
    ("max.poll.interval.ms", OWN_SETTING),
    ("message.send.max.retries", NO_LOSS),
    ("message.timeout.ms", "the outbox's lease must outlast it"),
    ("metadata.broker.list", OWN_SETTING),
    ("partition.assignment.strategy", HANDOVER),
    ("partitioner", PLACEMENT),
    ("plugin.library.paths", "it loads foreign code"),
    ("request.required.acks", NO_LOSS),
    ("retries", NO_LOSS),
    ("sasl.mechanism", OWN_SETTING),
    ("sasl.mechanisms", OWN_SETTING),
    ("sasl.password", OWN_SETTING),
    ("sasl.username", OWN_SETTING),
    ("security.protocol", OWN_SETTING),
    ("session.timeout.ms", OWN_SETTING),
    ("ssl.ca.location", OWN_SETTING),
    ("ssl.certificate.location", OWN_SETTING),
    ("ssl.key.location", OWN_SETTING),
    ("ssl.key.password", OWN_SETTING),
    ("transactional.id", "one idempotent producer says the changes, without transactions"),
];

/// Extra librdkafka properties by name. Its `Debug` shows the names alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl KafkaProperties {
    /// Name and value of each property, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What is wrong with each property that may not stand here: its name and the rule.
    pub fn problems(&self) -> Vec<(String, String)> {
        self.0.iter().filter_map(|(name, value)| Some((name.clone(), problem(name, value)?))).collect()
    }
}

/// The rule that one property breaks, if any.
fn problem(name: &str, value: &str) -> Option<String> {
    if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Some(format!("may not be set here: {reason}"));
    }
    // librdkafka's own words would repeat the value.
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
    const TABLE: bool = true;

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
    fn properties_that_would_break_a_promise_are_refused_with_the_reason() {
        let text = "acks=0\ncheck.crcs=true\nenable.auto.commit=true\npartitioner=random\nisolation.level=read_uncommitted\nqueued.min.messages=1";
        let problems = KafkaProperties::parse(text).unwrap().problems();
        let names: Vec<&str> = problems.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["acks", "check.crcs", "enable.auto.commit", "isolation.level", "partitioner"]);
        assert!(problems.iter().all(|(_, rule)| rule.starts_with("may not be set here: ")), "{problems:?}");
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
