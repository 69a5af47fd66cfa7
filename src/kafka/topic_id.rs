//! The id that a topic gets when it is created: of two topics of one name, one after the other, it says which. It goes with
//! every committed offset, so that an offset of a topic that was deleted is not taken for one of its successor.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::debug;
use uuid::Uuid;

use crate::domain::event::Kind;
use crate::kafka::partition::Partition;

/// What stands before the id in a committed offset's metadata.
const PREFIX: &str = "topic-id=";

/// A topic's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicId(Uuid);

impl TopicId {
    /// From the two halves in which librdkafka gives it; brokers that have no ids give zeros.
    pub fn from_halves(high: u64, low: u64) -> Option<Self> {
        let id = Uuid::from_u64_pair(high, low);
        (!id.is_nil()).then_some(Self(id))
    }

    /// The metadata of an offset that is committed of this topic.
    pub fn metadata(self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// The id in the metadata of a committed offset; nothing where another program or an older version wrote it.
    pub fn from_metadata(metadata: &str) -> Option<Self> {
        Uuid::parse_str(metadata.strip_prefix(PREFIX)?).ok().map(Self)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The ids of the input topics: those under which the assigned partitions are read, and those that were seen last. Shared by
/// the consumer thread and the watch over the topics.
#[derive(Debug, Default)]
pub struct TopicIds {
    inner: Mutex<Inner>,
    has_told: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    read: HashMap<Partition, TopicId>,
    seen: HashMap<Kind, TopicId>,
}

impl TopicIds {
    /// The partitions are read from here on under these ids; where a topic has none, under none.
    pub fn read(&self, partitions: &[Partition], ids: &HashMap<Kind, TopicId>) {
        let mut inner = self.lock();
        for partition in partitions {
            match ids.get(&partition.kind) {
                Some(id) => drop(inner.read.insert(*partition, *id)),
                None => {
                    inner.read.remove(partition);
                    if !self.has_told.swap(true, Ordering::Relaxed) {
                        debug!("the brokers give no topic ids: a topic that is created anew may go unnoticed");
                    }
                }
            }
        }
        inner.seen.extend(ids);
    }

    /// The partitions are not read any more.
    pub fn forget(&self, partitions: &[Partition]) {
        let mut inner = self.lock();
        for partition in partitions {
            inner.read.remove(partition);
        }
    }

    /// The id under which the partition is read.
    pub fn of(&self, partition: Partition) -> Option<TopicId> {
        self.lock().read.get(&partition).copied()
    }

    /// The topics have these ids at present.
    pub fn see(&self, ids: &HashMap<Kind, TopicId>) {
        self.lock().seen.extend(ids);
    }

    /// The partitions that are read under another id than their topic had when it was last seen.
    pub fn outdated(&self) -> Vec<Partition> {
        let inner = self.lock();
        let differs =
            |(partition, id): &(&Partition, &TopicId)| inner.seen.get(&partition.kind).is_some_and(|seen| seen != *id);
        inner.read.iter().filter(differs).map(|(partition, _)| *partition).collect()
    }

    /// The maps hold plain values that are never left half-changed, so a panic elsewhere does not spoil them.
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
    fn an_id_is_read_from_the_metadata_it_was_written_to_and_from_no_other() {
        let id = TopicId::from_halves(7, 9).unwrap();
        assert_eq!(TopicId::from_metadata(&id.metadata()), Some(id));
        for foreign in ["", "topic-id=", "topic-id=x", "offset of somebody"] {
            assert_eq!(TopicId::from_metadata(foreign), None);
        }
        assert_eq!(TopicId::from_halves(0, 0), None);
    }

    #[test]
    fn only_partitions_that_are_read_under_an_older_id_are_outdated() {
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
