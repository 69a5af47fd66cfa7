//! Finds the newest of several dead letters of one record.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::event::Millis;
use crate::ingest::dead_letter_reader::{DeadLetter, DeadLetterPosition, Origin};

/// The dead letters by record. Takes about 100 bytes per dead-lettered record; holds no keys and no values.
#[derive(Debug, Default)]
pub struct Index {
    newest: HashMap<Origin, Newest>,
    topics: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Newest {
    rank: Rank,
    times: u32,
}

/// Orders dead letters of one record: by attempts, then complete before truncated, then by time and place. The highest
/// is the newest.
type Rank = (u32, bool, Millis, DeadLetterPosition);

impl Index {
    pub fn note(&mut self, dead_letter: &DeadLetter) {
        let rank = rank(dead_letter);
        if let Some(newest) = self.newest.get_mut(&dead_letter.origin) {
            newest.times = newest.times.saturating_add(1);
            newest.rank = newest.rank.max(rank);
            return;
        }
        let origin = Origin { topic: self.shared(&dead_letter.origin.topic), ..dead_letter.origin };
        self.newest.insert(origin, Newest { rank, times: 1 });
    }

    /// The number of dead letters of the same record, if this is the newest of them.
    pub(crate) fn times_if_newest(&self, dead_letter: &DeadLetter) -> Option<u32> {
        self.newest
            .get(&dead_letter.origin)
            .filter(|newest| newest.rank == rank(dead_letter))
            .map(|newest| newest.times)
    }

    /// The topic's name, allocated once.
    fn shared(&mut self, topic: &Arc<str>) -> Arc<str> {
        if let Some(shared) = self.topics.get(topic) {
            return Arc::clone(shared);
        }
        self.topics.insert(Arc::clone(topic));
        Arc::clone(topic)
    }
}

fn rank(dead_letter: &DeadLetter) -> Rank {
    (dead_letter.attempts, !dead_letter.content.is_truncated(), dead_letter.failed_at, dead_letter.place)
}
