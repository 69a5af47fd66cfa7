//! A batch on its way into the database: what of it is still to be written, and how each of its events ended.

use std::time::Duration;

use super::error::StoreError;
use super::jobs::Checkpoint;
use super::outbox::Publication;
use super::task::{Group, ItemOutcome, Task};
use crate::domain::event::{Event, Rejection};
use crate::domain::fold::Publishing;

/// Numbers about the work done, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Users whose compare-and-set was lost to another process and folded again.
    pub conflicts: u64,
    /// Transactions tried again at once, after a deadlock or the like.
    pub retries: u64,
    pub unknown_currencies: u64,
    /// How long a connection was waited for.
    pub connecting: Duration,
    /// How long transactions took, failed ones included.
    pub transaction: Duration,
}

/// A batch on its way into the database. Keeps what is done across outages, so that nothing is lost or done in vain.
#[derive(Debug)]
pub struct Progress<'e> {
    pub(super) task: Task<'e>,
    pub(super) publishing: Publishing,
    /// Where the job that the batch belongs to is after it; written in the batch's last transaction.
    pub(super) checkpoint: Option<Checkpoint>,
    outcomes: Vec<Option<ItemOutcome>>,
    /// Chunks that are still to be written, the last one first.
    pub(super) open: Vec<Chunk>,
    /// What has been committed to the outbox and not been taken away by the caller yet.
    pub publications: Vec<Publication>,
    pub tally: Tally,
}

/// Users with the indexes of their items, in bytewise order of the users.
pub(super) type Chunk = Vec<Group>;

impl<'e> Progress<'e> {
    /// A live batch of which nothing has been written.
    pub fn new(events: &'e [Event]) -> Self {
        Self::of_job(Task::Merge(events), Publishing::Immediate, None)
    }

    /// A job's batch of which nothing has been written; with a checkpoint, its last transaction writes that.
    pub fn of_job(task: Task<'e>, publishing: Publishing, checkpoint: Option<Checkpoint>) -> Self {
        let chunk = task.by_user();
        let open = if chunk.is_empty() { Vec::new() } else { vec![chunk] };
        let outcomes = vec![None; task.len()];
        Self { task, publishing, checkpoint, outcomes, open, publications: Vec::new(), tally: Tally::default() }
    }

    /// The checkpoint for a transaction that ends the batch with these outcomes, if it has one that is not written yet.
    pub(super) fn last_checkpoint(&self, outcomes: &[(usize, ItemOutcome)]) -> Option<Checkpoint> {
        let mut checkpoint = self.checkpoint.clone().filter(|_| self.open.is_empty())?;
        let before = self.outcomes.iter().flatten();
        before.chain(outcomes.iter().map(|(_, outcome)| outcome)).for_each(|outcome| checkpoint.counts.count(outcome));
        Some(checkpoint)
    }

    /// The outcome of each event, once [`Store::advance`](super::Store::advance) has succeeded.
    pub fn into_outcomes(self) -> impl Iterator<Item = ItemOutcome> {
        // After success every chunk is closed, and closing a chunk ends each of its events.
        self.outcomes.into_iter().flatten()
    }

    pub(super) fn end(&mut self, index: usize, outcome: ItemOutcome) {
        if let Some(slot) = self.outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    }

    /// Halves a chunk that the database refuses for good, by users and then by items, until what is left is to blame.
    pub(super) fn isolate(&mut self, mut chunk: Chunk, error: &StoreError) {
        if chunk.len() > 1 {
            let later = chunk.split_off(chunk.len() / 2);
            self.open.push(later);
            self.open.push(chunk);
            return;
        }
        let Some(mut group) = chunk.pop() else { return };
        if group.items.len() > 1 {
            let later = group.items.drain(group.items.len() / 2..).collect();
            self.open.push(vec![Group { items: later, ..group.clone() }]);
            self.open.push(vec![group]);
            return;
        }
        for index in group.items {
            self.end(index, Err(Rejection::by_database(error.detail())));
        }
    }
}
