//! Which dead letters there are of one record, and which of them is the newest.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::event::Millis;
use crate::ingest::dead_letter_reader::{DeadLetter, DeadLetterPosition, Origin};

/// About 100 bytes a record that has dead letters; no key and no value is held.
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

/// The newest has been tried most often; between equals one that is whole is better, then a later one.
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

    /// How many dead letters there are of the same record, if this is the newest of them.
    pub fn times_if_newest(&self, dead_letter: &DeadLetter) -> Option<u32> {
        self.newest
            .get(&dead_letter.origin)
            .filter(|newest| newest.rank == rank(dead_letter))
            .map(|newest| newest.times)
    }

    /// One copy of each topic's name.
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
