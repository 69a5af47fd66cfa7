//! The clock of revisions: the database's, but never behind the revisions that this process knows to be published.
//!
//! After a failover the database may lack revisions that are on segment-changed, and its clock may be behind them. From the first
//! fold in another history on, revisions are above them, and go on with this process's own time: a clock that stood still until
//! the server's has caught up would have several processes mint the same revision of a user, with different content.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use super::history::History;

/// Shared by all folds of the process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RevisionClock(Arc<Known>);

#[derive(Debug)]
struct Known {
    began: Instant,
    /// The highest revision minted or seen.
    highest: AtomicI64,
    /// How far a revision was ahead of this process's time when it was minted or seen, in ms; the farthest.
    ahead: AtomicI64,
    /// No revision is minted that is less ahead.
    floor: AtomicI64,
    /// The history of the last fold; 0 before the first.
    history: AtomicI64,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            highest: AtomicI64::new(0),
            ahead: AtomicI64::new(i64::MIN),
            floor: AtomicI64::new(i64::MIN),
            history: AtomicI64::new(0),
        }
    }
}

impl Known {
    /// This process's time, in ms. It does not jump.
    fn now(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl RevisionClock {
    /// The time to mint revisions at, in ms, in a transaction that runs in `history` when the database's clock shows
    /// `database_ms`.
    pub fn at(&self, database_ms: i64, history: History) -> i64 {
        let before = self.0.history.swap(history.0, Ordering::SeqCst);
        if before != history.0 && before != 0 {
            self.raise();
        }
        database_ms.max(self.0.floor.load(Ordering::SeqCst).saturating_add(self.0.now()))
    }

    /// A revision was minted by this process, or seen as one that another has minted.
    pub fn see(&self, revision: i64) {
        self.0.highest.fetch_max(revision, Ordering::SeqCst);
        self.0.ahead.fetch_max(revision.saturating_sub(self.0.now()), Ordering::SeqCst);
    }

    /// The highest revision minted or seen; 0 if there was none.
    pub fn highest(&self) -> i64 {
        self.0.highest.load(Ordering::SeqCst)
    }

    /// The database has gone back in time: from now on every revision is above all that were minted or seen.
    pub fn raise(&self) {
        self.0.floor.fetch_max(self.0.ahead.load(Ordering::SeqCst).saturating_add(1), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_another_history_the_clock_is_past_every_revision_that_was_seen_and_goes_on() {
        let clock = RevisionClock::default();
        assert_eq!(clock.at(500, History(1)), 500);
        clock.see(1_000);
        assert_eq!(clock.at(700, History(1)), 700, "in one history a user's own revision is enough");
        let minted = clock.at(700, History(2));
        assert!(minted > 1_000);
        assert_eq!(clock.at(i64::MAX, History(2)), i64::MAX);
        clock.see(minted + 3_000);
        clock.raise();
        assert!(clock.at(700, History(2)) > minted + 3_000);
        let first = clock.at(700, History(2));
        while clock.at(700, History(2)) <= first {
            std::thread::yield_now();
        }
    }
}
