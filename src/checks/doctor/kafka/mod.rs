//! The checks of Kafka.
//!
//! ```text
//! gather   the requests to the brokers, which collect facts
//! topics   facts → findings on the four topics. Pure
//! group    facts → findings on the consumer group. Pure
//! ```

mod gather;
mod group;
mod topics;

use super::Subject;
use super::finding::{Answer, Findings, Unreachable};
use super::words::count;
use crate::config::InitialOffset;
use crate::kafka::topic_settings::{self, Settings};

/// The use of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Input,
    SegmentChanged,
    DeadLetter,
}

/// The cluster as its brokers describe it, and the settings that it is compared with.
#[derive(Debug, Clone)]
struct ClusterFacts {
    /// How this process logs in, in words.
    identity: String,
    group: String,
    start: InitialOffset,
    /// The longest accepted value of a record, bytes.
    max_value_bytes: i64,
    brokers: u64,
    /// The two input topics, segment-changed, the dead letters.
    topics: Vec<Topic>,
    /// The number of processes in the group.
    members: Answer<u64>,
    /// Whether the group's offsets could be read.
    committed: Answer<()>,
}

#[derive(Debug, Clone)]
struct Topic {
    role: Role,
    name: String,
    /// `None`: the topic does not exist.
    partitions: Answer<Option<Vec<Partition>>>,
    /// Its settings by name, the brokers' defaults included; of existing topics.
    settings: Option<Answer<Settings>>,
    /// Its newest records; of existing input topics.
    tail: Option<Answer<Tail>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Partition {
    number: i32,
    has_leader: bool,
    replicas: usize,
    /// The low and the high watermark; of input topics only.
    range: Option<(i64, i64)>,
    /// The group's committed offset.
    committed: Option<i64>,
}

/// The newest records of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tail {
    read: u64,
    /// Tombstones: records with a key and without a value.
    nulls: u64,
    /// Whether all were read in time.
    complete: bool,
}

impl Topic {
    /// Its partitions; empty if it does not exist or is unknown.
    fn existing(&self) -> &[Partition] {
        self.partitions.as_ref().ok().and_then(Option::as_deref).unwrap_or_default()
    }

    fn known_settings(&self) -> Option<&Settings> {
        self.settings.as_ref()?.as_ref().ok()
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.known_settings()?.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.setting(name)?.parse().ok()
    }

    /// Whether `cleanup.policy` names this policy.
    fn cleans_up_by(&self, policy: &str) -> bool {
        self.known_settings().is_some_and(|settings| topic_settings::cleans_up_by(settings, policy))
    }

    /// `retention.ms`, if records are deleted by age.
    fn retention_ms(&self) -> Option<u64> {
        topic_settings::retention_ms(self.known_settings()?)
    }
}

impl ClusterFacts {
    fn inputs(&self) -> impl Iterator<Item = &Topic> {
        self.topics.iter().filter(|topic| topic.role == Role::Input)
    }

    /// The topics of this role whose settings are known.
    fn described(&self, role: Role) -> impl Iterator<Item = &Topic> {
        self.topics.iter().filter(move |topic| topic.role == role && matches!(topic.settings, Some(Ok(_))))
    }
}

/// Runs all checks of Kafka.
///
/// # Errors
/// A client cannot be built from its configuration, which was checked before.
pub async fn check(subject: &Subject<'_>) -> anyhow::Result<Findings> {
    Ok(evaluate(&gather::gather(subject).await?))
}

fn evaluate(facts: &Result<ClusterFacts, Unreachable>) -> Findings {
    let mut found = Findings::of("kafka");
    found.begin("reachable");
    let facts = match facts {
        Ok(facts) => facts,
        Err(unreachable) => {
            let (finding, remedy) = match unreachable {
                Unreachable::Unavailable(_) => {
                    ("no broker answers", "Check the brokers, kafka.brokers, TLS and SASL (`segmenter config show`).")
                }
                Unreachable::Refused(_) => {
                    ("the login is refused", "Check the sasl_ and ssl_ settings of [kafka] (`segmenter config show`).")
                }
            };
            found.unreachable(unreachable, finding, remedy);
            return found;
        }
    };
    found.ok(format!("{} in the cluster.", count(facts.brokers, "broker is", "brokers are")));
    let of_topics = [topics::exist, topics::partitions, topics::replication, topics::settings];
    let of_inputs = [topics::retention, topics::cleanup, topics::record_size, topics::timestamps];
    let of_outputs = [topics::compaction, topics::dead_letters];
    let of_group = [group::tombstones, group::identity, group::rights, group::lag, group::members];
    let of_inputs = of_inputs.into_iter().filter(|_| facts.described(Role::Input).next().is_some());
    for check in of_topics.into_iter().chain(of_inputs).chain(of_outputs).chain(of_group) {
        check(facts, &mut found);
    }
    found
}

#[cfg(test)]
mod tests;
