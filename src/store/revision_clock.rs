//! The clock of revisions: the database's, but never behind a revision that this process knows to be published.
//!
//! After a failover the database may lack revisions that are on segment-changed, and its clock may be behind them. The first
//! fold in another history already mints above them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::history::History;

/// Shared by all folds of the process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RevisionClock(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The highest revision minted or seen.
    highest: AtomicI64,
    /// No revision below this is minted.
    floor: AtomicI64,
    /// The history of the last fold; 0 before the first.
    history: AtomicI64,
}

impl RevisionClock {
    /// The time to mint revisions at, in ms, in a transaction that runs in `history` when the database's clock shows
    /// `database_ms`.
    pub fn at(&self, database_ms: i64, history: History) -> i64 {
        let before = self.0.history.swap(history.0, Ordering::SeqCst);
        if before != history.0 && before != 0 {
            self.raise();
        }
        database_ms.max(self.0.floor.load(Ordering::SeqCst))
    }

    /// A revision was minted by this process, or seen as one that another has minted.
    pub fn see(&self, revision: i64) {
        self.0.highest.fetch_max(revision, Ordering::SeqCst);
    }

    /// The highest revision minted or seen; 0 if there was none.
    pub fn highest(&self) -> i64 {
        self.0.highest.load(Ordering::SeqCst)
    }

    /// The database has gone back in time: from now on every revision is above all that were minted or seen.
    pub fn raise(&self) {
        self.0.floor.fetch_max(self.highest().saturating_add(1), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_another_history_the_clock_is_past_every_revision_that_was_seen() {
        let clock = RevisionClock::default();
        assert_eq!(clock.at(500, History(1)), 500);
        clock.see(1_000);
        assert_eq!(clock.at(700, History(1)), 700, "in one history a user's own revision is enough");
        assert_eq!((clock.at(700, History(2)), clock.at(2_000, History(2))), (1_001, 2_000));
        clock.see(3_000);
        clock.raise();
        assert_eq!(clock.at(700, History(2)), 3_001);
    }
}
