//! Which ids of outbox rows this process has drawn lately: from them it learns that nobody else said anything meanwhile.
//!
//! Whoever has something new to say of a user inserts an outbox row after the user's state was locked: a fold after its
//! compare-and-set, the triggers within the delete or the rename. Ids are drawn one after the other. So where all ids
//! after that of a row are this process's own, nobody else has a newer revision of the row's users; and what this process
//! itself has its one publisher says later, in order.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many are remembered; of older ones it is not known (any more) whose they are.
const REMEMBERED: usize = 4096;

/// The ids. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DrawnIds(Arc<Mutex<BTreeSet<i64>>>);

impl DrawnIds {
    /// To be called for every row that this process inserts, before it is committed.
    pub fn note(&self, id: i64) {
        let mut ids = self.lock();
        ids.insert(id);
        if ids.len() > REMEMBERED {
            ids.pop_first();
        }
    }

    /// Whether every id after `first`, up to `last`, is one of them.
    pub fn are_all_after(&self, first: i64, last: i64) -> bool {
        let Ok(expected) = usize::try_from(last.saturating_sub(first)) else { return false };
        let ids = self.lock();
        let newer = ids.range((Bound::Excluded(first), Bound::Unbounded));
        newer.take_while(|id| **id <= last).count() == expected
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(ids: impl IntoIterator<Item = i64>) -> DrawnIds {
        let drawn = DrawnIds::default();
        ids.into_iter().for_each(|id| drawn.note(id));
        drawn
    }

    #[test]
    fn only_an_unbroken_run_of_own_ids_up_to_the_last_is_all() {
        let own = drawn([5, 6, 7, 9]);
        assert!(own.are_all_after(5, 7));
        assert!(own.are_all_after(4, 7), "whose the first is does not matter");
        assert!(!own.are_all_after(5, 8), "8 is somebody else's");
        assert!(!own.are_all_after(5, 9));
        assert!(own.are_all_after(8, 9));
    }

    #[test]
    fn nothing_after_the_first_is_all_but_an_end_before_it_is_not() {
        assert!(drawn([]).are_all_after(5, 5));
        assert!(!drawn([5, 6]).are_all_after(6, 5), "a sequence that was set back says nothing");
        assert!(!drawn([i64::MAX]).are_all_after(i64::MIN, i64::MAX));
        assert!(drawn([i64::MAX]).are_all_after(i64::MAX, i64::MAX));
    }

    #[test]
    fn ids_that_are_long_gone_are_not_known() {
        let last = 2 * REMEMBERED as i64;
        let own = drawn(1..=last);
        assert!(!own.are_all_after(0, last));
        assert!(own.are_all_after(last - 100, last));
    }
}
