//! The progress of a batch: its open chunks and the outcomes of its items.

use std::time::Duration;

use super::audit::Entry;
use super::error::StoreError;
use super::history::Histories;
use super::jobs::Checkpoint;
use super::outbox::Publication;
use super::task::{Group, ItemOutcome, Task};
use crate::domain::event::Event;
use crate::domain::fold::Publishing;

/// Counts and durations for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Users that were folded again after a conflict.
    pub conflicts: u64,
    /// Transactions retried at once, after a deadlock or the like.
    pub retries: u64,
    pub unknown_currencies: u64,
    /// Time spent waiting for a connection.
    pub connecting: Duration,
    /// Time spent in transactions, failed ones included.
    pub transaction: Duration,
}

/// The progress of a batch. It survives outages, so no finished chunk is written again.
#[derive(Debug)]
pub struct Progress<'e> {
    pub(super) task: Task<'e>,
    pub(super) publishing: Publishing,
    /// The job's checkpoint after this batch; written in the batch's last transaction.
    pub(super) checkpoint: Option<Checkpoint>,
    /// The act that the batch is, for the audit; written in its first transaction.
    pub(super) entry: Option<Entry>,
    outcomes: Vec<Option<ItemOutcome>>,
    /// Chunks that are not written yet, the last one first.
    pub(super) open: Vec<Chunk>,
    /// Users whose rows another session locks. They wait until the rest is written.
    pub(super) locked: Chunk,
    /// Whether conflicts have lasted: from then on a chunk is halved at its first one.
    pub(super) contended: bool,
    /// Committed outbox rows that the caller has not taken yet.
    pub publications: Vec<Publication>,
    pub tally: Tally,
    /// Where the transactions of the finished chunks ran.
    pub ran_in: Histories,
}

/// Users with the indexes of their items, in bytewise order of the users.
pub(super) type Chunk = Vec<Group>;

impl<'e> Progress<'e> {
    /// A live batch, with nothing written yet.
    pub fn new(events: &'e [Event]) -> Self {
        Self::of_job(Task::Merge(events), Publishing::Immediate, None)
    }

    /// A live batch whose users are published even where nothing changes.
    pub fn publishing_all(events: &'e [Event]) -> Self {
        Self::of_job(Task::Merge(events), Publishing::EvenUnchanged, None)
    }

    /// The same batch, as an operator's act.
    pub(crate) fn recorded(self, entry: Entry) -> Self {
        Self { entry: Some(entry), ..self }
    }

    /// A job's batch, with nothing written yet. Its last transaction writes the checkpoint, if there is one.
    pub(crate) fn of_job(task: Task<'e>, publishing: Publishing, checkpoint: Option<Checkpoint>) -> Self {
        let chunk = task.by_user();
        let open = if chunk.is_empty() { Vec::new() } else { vec![chunk] };
        let outcomes = vec![None; task.len()];
        Self {
            task,
            publishing,
            checkpoint,
            entry: None,
            outcomes,
            open,
            locked: Vec::new(),
            contended: false,
            publications: Vec::new(),
            tally: Tally::default(),
            ran_in: Histories::None,
        }
    }

    /// The checkpoint for the transaction that ends the batch with these outcomes, unless it is written already.
    pub(super) fn last_checkpoint(&self, outcomes: &[(usize, ItemOutcome)]) -> Option<Checkpoint> {
        let is_last = self.open.is_empty() && self.locked.is_empty();
        let mut checkpoint = self.checkpoint.clone().filter(|_| is_last)?;
        let before = self.outcomes.iter().flatten();
        before.chain(outcomes.iter().map(|(_, outcome)| outcome)).for_each(|outcome| checkpoint.counts.count(outcome));
        checkpoint.ran_in = checkpoint.ran_in.and(self.ran_in);
        Some(checkpoint)
    }

    /// The outcome of each item, once [`Store::advance`](super::Store::advance) has succeeded.
    pub fn into_outcomes(self) -> impl Iterator<Item = ItemOutcome> {
        // After success no chunk is open, and each item of a closed chunk has its outcome.
        self.outcomes.into_iter().flatten()
    }

    /// The outcome of each item; `None` while another session locks rows of its user.
    pub(crate) fn into_outcomes_so_far(self) -> Vec<Option<ItemOutcome>> {
        self.outcomes
    }

    /// The progress of a batch that has met locks before, and meets them at its first conflict.
    pub(crate) fn of_locked(self) -> Self {
        Self { contended: true, ..self }
    }

    pub(super) fn end(&mut self, index: usize, outcome: ItemOutcome) {
        if let Some(slot) = self.outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    }

    /// Halves a chunk that keeps running into locks, by user, until the locked user is alone and waits for the rest. A chunk
    /// that may not be halved any more waits as it is.
    pub(super) fn set_locked_apart(&mut self, chunk: Chunk, may_halve: bool) {
        self.contended = true;
        if chunk.len() > 1 && may_halve { self.halve(chunk) } else { self.locked.extend(chunk) }
    }

    /// Opens the locked users again, as one chunk.
    pub(super) fn reopen_locked(&mut self) {
        if !self.locked.is_empty() {
            self.open.push(std::mem::take(&mut self.locked));
        }
    }

    fn halve(&mut self, mut chunk: Chunk) {
        let later = chunk.split_off(chunk.len() / 2);
        self.open.push(later);
        self.open.push(chunk);
    }

    /// Bisects a chunk that cannot be written, by user and then by item, until the item that causes the error is alone.
    pub(super) fn isolate(&mut self, mut chunk: Chunk, error: &StoreError) {
        if chunk.len() > 1 {
            return self.halve(chunk);
        }
        let Some(mut group) = chunk.pop() else { return };
        if group.items.len() > 1 {
            let later = group.items.drain(group.items.len() / 2..).collect();
            self.open.push(vec![Group { items: later, ..group.clone() }]);
            self.open.push(vec![group]);
            return;
        }
        for index in group.items {
            self.end(index, Err(error.rejection()));
        }
    }
}
