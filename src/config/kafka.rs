//! The types of the settings for Kafka.

use super::value::{Value, choice};

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
    pub fn uses_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// The client logs in with a name and a password.
    pub fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

choice! {
    /// How the client logs in.
    pub enum SaslMechanism {
        Plain = "PLAIN",
        ScramSha256 = "SCRAM-SHA-256",
        ScramSha512 = "SCRAM-SHA-512",
    }
}

choice! {
    /// Where a group without committed offsets starts.
    pub enum Start {
        Earliest = "earliest",
        Latest = "latest",
    }
}

choice! {
    /// What happens when a committed offset is no longer in its partition.
    pub enum OutOfRange {
        /// The process ends: records are lost, and somebody should know.
        Stop = "stop",
        Earliest = "earliest",
        Latest = "latest",
    }
}

choice! {
    /// How the values of records on segment-changed are written.
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
    /// As librdkafka's `bootstrap.servers` wants them.
    pub fn joined(&self) -> String {
        self.0.join(",")
    }
}

impl Value for Brokers {
    const KIND: &'static str = "list of host:port";
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let brokers: Vec<String> = text.split(',').map(|broker| broker.trim().to_owned()).collect();
        if brokers.iter().all(|broker| is_host_and_port(broker)) {
            Ok(Self(brokers))
        } else {
            Err("must be brokers as host:port, separated by commas".into())
        }
    }

    fn show(text: &str) -> String {
        // What is not a list of brokers may be a URL with a password in it.
        if Self::parse(text).is_ok() { text.into() } else { super::secret::REDACTED.into() }
    }
}

/// `host:port` with a name, an IPv4 address or an IPv6 address in brackets, and a port that is not 0.
fn is_host_and_port(broker: &str) -> bool {
    let Some((host, port)) = broker.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_is_valid = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
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
}
