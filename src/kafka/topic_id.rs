//! The id that a topic gets when it is created; it differs between a topic and a later one of the same name. Every offset is
//! committed with it, so that an offset of a deleted topic is not applied to its successor.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::debug;
use uuid::Uuid;

use crate::domain::event::Kind;
use crate::kafka::partition::Partition;

/// Precedes the id in a committed offset's metadata.
const PREFIX: &str = "topic-id=";

/// A topic's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopicId(Uuid);

impl TopicId {
    /// From librdkafka's two halves; `None` for zeros, which brokers without topic ids return.
    pub(crate) fn from_halves(high: u64, low: u64) -> Option<Self> {
        let id = Uuid::from_u64_pair(high, low);
        (!id.is_nil()).then_some(Self(id))
    }

    /// The metadata to commit with an offset of this topic.
    pub fn metadata(self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// The id in the metadata of a committed offset; `None` if another program or an older version committed it.
    pub(crate) fn from_metadata(metadata: &str) -> Option<Self> {
        Uuid::parse_str(metadata.strip_prefix(PREFIX)?).ok().map(Self)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The ids of the input topics: those that the assigned partitions were started with, and those that the brokers reported
/// last. Shared by the consumer thread and the topic watch.
#[derive(Debug, Default)]
pub(crate) struct TopicIds {
    inner: Mutex<Inner>,
    has_reported_none: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    read: HashMap<Partition, TopicId>,
    seen: HashMap<Kind, TopicId>,
}

impl TopicIds {
    /// Records the topic ids that these partitions are started with; none for a topic without an id.
    pub fn read(&self, partitions: &[Partition], ids: &HashMap<Kind, TopicId>) {
        let mut inner = self.lock();
        for partition in partitions {
            match ids.get(&partition.kind) {
                Some(id) => drop(inner.read.insert(*partition, *id)),
                None => {
                    inner.read.remove(partition);
                    if !self.has_reported_none.swap(true, Ordering::Relaxed) {
                        debug!("the brokers have no topic ids; a recreated topic may go undetected");
                    }
                }
            }
        }
        inner.seen.extend(ids);
    }

    /// The partitions are no longer read.
    pub(crate) fn forget(&self, partitions: &[Partition]) {
        let mut inner = self.lock();
        for partition in partitions {
            inner.read.remove(partition);
        }
    }

    /// The topic id that the partition was started with.
    pub fn of(&self, partition: Partition) -> Option<TopicId> {
        self.lock().read.get(&partition).copied()
    }

    /// Records the topic ids that the brokers report now.
    pub fn see(&self, ids: &HashMap<Kind, TopicId>) {
        self.lock().seen.extend(ids);
    }

    /// The partitions whose topic has been recreated: started with another id than the brokers reported last.
    pub(crate) fn outdated(&self) -> Vec<Partition> {
        let inner = self.lock();
        let differs =
            |(partition, id): &(&Partition, &TopicId)| inner.seen.get(&partition.kind).is_some_and(|seen| seen != *id);
        inner.read.iter().filter(differs).map(|(partition, _)| *partition).collect()
    }

    /// The maps are never left half-updated, so a poisoned lock is safe to use.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Partition = Partition { kind: Kind::OnboardingCompleted, number: 0 };
    const SECOND: Partition = Partition { kind: Kind::OnboardingCompleted, number: 1 };

    fn ids(low: u64) -> HashMap<Kind, TopicId> {
        HashMap::from([(Kind::OnboardingCompleted, TopicId::from_halves(1, low).unwrap())])
    }

    #[test]
    fn an_id_is_read_back_from_its_own_metadata_and_from_no_other() {
        let id = TopicId::from_halves(7, 9).unwrap();
        assert_eq!(TopicId::from_metadata(&id.metadata()), Some(id));
        for foreign in ["", "topic-id=", "topic-id=x", "another program's"] {
            assert_eq!(TopicId::from_metadata(foreign), None);
        }
        assert_eq!(TopicId::from_halves(0, 0), None);
    }

    #[test]
    fn only_partitions_started_with_an_older_id_are_outdated() {
        let topics = TopicIds::default();
        topics.read(&[FIRST], &ids(1));
        assert!(topics.outdated().is_empty());
        topics.read(&[SECOND], &ids(2));
        assert_eq!(topics.outdated(), [FIRST]);
        topics.forget(&[FIRST]);
        assert!(topics.outdated().is_empty());
        topics.see(&ids(3));
        assert_eq!(topics.outdated(), [SECOND]);
        topics.read(&[SECOND], &HashMap::new());
        assert!(topics.outdated().is_empty(), "a topic without an id is no successor");
    }
}
