//! Kafka: what is found of it, and the verdicts on that.
//!
//! - `gather`, `tail`: the questions to the brokers · this file: what they answered
//! - `topics`, `settings`, `group`: the verdicts, pure

mod gather;
mod group;
mod settings;
mod tail;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::BTreeMap;
use std::time::Duration;

pub use gather::gather;
pub use tail::Tail;

use super::finding::{Answer, Check, Finding, Unreachable};
use crate::config::{OutOfRange, Start};

/// What the configuration asks of Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    pub group: String,
    pub start: Start,
    pub out_of_range: OutOfRange,
    /// The longest value of a record that is accepted, bytes.
    pub max_value_bytes: u64,
    /// How many transactions run at once in one process.
    pub workers: u64,
}

/// What a topic is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    OnboardingCompleted,
    ProfileUpdated,
    SegmentChanged,
    DeadLetter,
}

impl Role {
    pub fn is_input(self) -> bool {
        matches!(self, Self::OnboardingCompleted | Self::ProfileUpdated)
    }
}

/// One cluster as its brokers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub brokers: u64,
    /// The four, in the order of [`Role`].
    pub topics: Vec<Topic>,
    /// How many processes are in the group; unknown where the group may not be described.
    pub members: Answer<u64>,
    /// Whether the group's offsets could be read.
    pub committed: Answer<()>,
    /// How long the offsets of a group without members are kept.
    pub offsets_retention: Answer<Duration>,
}

/// One of the four topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub role: Role,
    pub name: String,
    /// None: there is no such topic.
    pub partitions: Answer<Option<Vec<Partition>>>,
    /// Its settings, the brokers' defaults included.
    pub settings: Answer<Settings>,
    /// Its newest records; of existing input topics alone.
    pub tail: Option<Answer<Tail>>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub number: i32,
    pub has_leader: bool,
    pub replicas: usize,
    /// The first offset it still has and the next one it will give; asked of input topics alone.
    pub range: Option<(i64, i64)>,
    /// What the group has committed.
    pub committed: Option<i64>,
}

impl Topic {
    /// Its partitions; none where it does not exist or is not known.
    pub fn existing(&self) -> &[Partition] {
        match &self.partitions {
            Ok(Some(partitions)) => partitions,
            _ => &[],
        }
    }
}

impl Facts {
    /// The input topics.
    fn inputs(&self) -> impl Iterator<Item = &Topic> {
        self.topics.iter().filter(|topic| topic.role.is_input())
    }

    /// The topics of which settings are known.
    fn described(&self) -> impl Iterator<Item = (&Topic, &Settings)> {
        self.topics.iter().filter_map(|topic| Some((topic, topic.settings.as_ref().ok()?)))
    }

    /// The input topics of which settings are known.
    fn described_inputs(&self) -> impl Iterator<Item = (&Topic, &Settings)> {
        self.described().filter(|(topic, _)| topic.role.is_input())
    }
}

/// A topic's settings by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings(pub BTreeMap<String, String>);

impl Settings {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Whether `cleanup.policy` names this policy.
    fn cleans_up_by(&self, policy: &str) -> bool {
        self.text("cleanup.policy").is_some_and(|policies| policies.split(',').any(|one| one.trim() == policy))
    }

    /// `retention.ms` where records are deleted by age at all.
    fn retention_ms(&self) -> Option<u64> {
        if !self.cleans_up_by("delete") {
            return None;
        }
        u64::try_from(self.number("retention.ms")?).ok()
    }
}

const REACHABLE: Check = Check::kafka("reachable");

/// All verdicts.
pub fn judge(facts: &Result<Facts, Unreachable>, needs: &Needs) -> Vec<Finding> {
    let facts = match facts {
        Ok(facts) => facts,
        Err(Unreachable::Away(why)) => {
            return vec![REACHABLE.problem(
                format!("no broker answers ({why}); nothing else of Kafka could be checked."),
                "Look at the brokers, at kafka.brokers, and at TLS and SASL (`segmenter config show`).",
            )];
        }
        Err(Unreachable::Refused(why)) => {
            return vec![REACHABLE.problem(
                format!("the brokers refuse the login ({why}); nothing else of Kafka could be checked."),
                "Look at the sasl_ and ssl_ settings of [kafka] (`segmenter config show`).",
            )];
        }
    };
    let answered = super::words::count(facts.brokers, "broker is", "brokers are");
    let mut findings = vec![REACHABLE.ok(format!("{answered} in the cluster."))];
    for check in [topics::exist, topics::partitions, topics::replication] {
        findings.extend(check(facts, needs));
    }
    for check in [
        settings::known,
        settings::retention,
        settings::cleanup,
        settings::null_records,
        settings::record_size,
        settings::timestamps,
        settings::compaction,
        settings::dead_letters,
    ] {
        findings.extend(check(facts, needs));
    }
    for check in [group::rights, group::offsets, group::lag, group::members] {
        findings.extend(check(facts, needs));
    }
    findings
}
