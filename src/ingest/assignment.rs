//! The offset trackers of all partitions assigned to this process, shared by the consumer thread, the workers and the
//! dead-letter writer.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::offset_tracker::{Finish, Flood, FloodLimit, OffsetTracker};
use crate::config::InFlightConfig;
use crate::kafka::partition::Partition;
use crate::telemetry::metrics::Load;

/// Identifies one delivery of one record. Void once its partition is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub partition: Partition,
    epoch: u64,
    sequence: u64,
}

/// A poison flood and its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodAt {
    pub partition: Partition,
    pub flood: Flood,
}

/// The effects of finishing records: dead letters that are due, and a poison flood.
#[derive(Debug)]
pub struct Effects<R> {
    pub to_write: Vec<(Ticket, R)>,
    pub flood: Option<FloodAt>,
}

/// How much may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub records: usize,
    pub bytes: usize,
}

impl From<&InFlightConfig> for Budget {
    fn from(config: &InFlightConfig) -> Self {
        Self { records: config.max_records as usize, bytes: config.max_bytes.0 }
    }
}

impl Budget {
    fn has_room(self, load: Load) -> bool {
        load.records < self.records && load.bytes < self.bytes
    }
}

/// The offset trackers behind one lock.
#[derive(Debug)]
pub struct Assignment<R> {
    limit: FloodLimit,
    inner: Mutex<Inner<R>>,
    /// Signalled whenever records finish.
    changed: Condvar,
}

#[derive(Debug)]
struct Inner<R> {
    slots: HashMap<Partition, Slot<R>>,
    next_epoch: u64,
}

#[derive(Debug)]
struct Slot<R> {
    epoch: u64,
    tracker: OffsetTracker<R>,
    committed: Option<i64>,
}

impl<R> Inner<R> {
    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot<R>> {
        self.slots.get_mut(&ticket.partition).filter(|slot| slot.epoch == ticket.epoch)
    }

    fn load(&self) -> Load {
        let mut load = Load { partitions: self.slots.len(), ..Load::default() };
        for slot in self.slots.values() {
            load.records += slot.tracker.open_records();
            load.bytes += slot.tracker.open_bytes();
            load.held += slot.tracker.held_records();
        }
        load
    }

    fn open_in(&self, partitions: &[Partition]) -> usize {
        partitions
            .iter()
            .filter_map(|partition| self.slots.get(partition))
            .map(|slot| slot.tracker.open_records())
            .sum()
    }
}

impl<R> Assignment<R> {
    pub fn new(limit: FloodLimit) -> Self {
        let inner = Inner { slots: HashMap::new(), next_epoch: 0 };
        Self { limit, inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// Opens a new offset tracker for each partition; tickets of an earlier assignment become void.
    pub fn assign(&self, partitions: &[Partition]) {
        let mut inner = self.lock();
        for partition in partitions {
            inner.next_epoch += 1;
            let slot = Slot { epoch: inner.next_epoch, tracker: OffsetTracker::new(self.limit), committed: None };
            inner.slots.insert(*partition, slot);
        }
    }

    /// Drops the offset trackers; records in flight are abandoned, never committed.
    pub fn give_up(&self, partitions: &[Partition]) {
        let mut inner = self.lock();
        for partition in partitions {
            inner.slots.remove(partition);
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Charges a delivered record, with its timestamp in ms. `None` for a partition that is not assigned.
    pub fn charge(&self, partition: Partition, offset: i64, bytes: usize, timestamp: Option<i64>) -> Option<Ticket> {
        let mut inner = self.lock();
        let slot = inner.slots.get_mut(&partition)?;
        let sequence = slot.tracker.charge(offset, bytes, timestamp);
        Some(Ticket { partition, epoch: slot.epoch, sequence })
    }

    /// For each ticket, whether its partition is still in the assignment that delivered the record.
    pub fn are_current(&self, tickets: impl Iterator<Item = Ticket>) -> Vec<bool> {
        let mut inner = self.lock();
        tickets.map(|ticket| inner.slot(ticket).is_some()).collect()
    }

    /// Finishes records. Void tickets are ignored: the partition's present owner reads their records again.
    pub fn finish(&self, ended: impl IntoIterator<Item = (Ticket, Finish<R>)>) -> Effects<R> {
        let mut effects = Effects { to_write: Vec::new(), flood: None };
        let mut inner = self.lock();
        for (ticket, finish) in ended {
            let Some(slot) = inner.slot(ticket) else { continue };
            let finished = slot.tracker.finish(ticket.sequence, finish);
            let ticket_of = |sequence| Ticket { sequence, ..ticket };
            effects
                .to_write
                .extend(finished.to_write.into_iter().map(|(sequence, rejected)| (ticket_of(sequence), rejected)));
            let flood = finished.flood.map(|flood| FloodAt { partition: ticket.partition, flood });
            effects.flood = effects.flood.or(flood);
        }
        drop(inner);
        self.changed.notify_all();
        effects
    }

    /// The dead letters of these records are acknowledged.
    pub fn written(&self, tickets: &[Ticket]) {
        let mut inner = self.lock();
        for ticket in tickets {
            if let Some(slot) = inner.slot(*ticket) {
                slot.tracker.written(ticket.sequence);
            }
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Ends the rejection run of a partition and returns its dead letters.
    pub fn flush_run(&self, partition: Partition) -> Vec<(Ticket, R)> {
        let mut inner = self.lock();
        let Some(slot) = inner.slots.get_mut(&partition) else { return Vec::new() };
        let epoch = slot.epoch;
        let flushed = slot.tracker.flush_run();
        flushed.into_iter().map(|(sequence, rejected)| (Ticket { partition, epoch, sequence }, rejected)).collect()
    }

    /// Passes the last rejection of the partition's run to `show`.
    pub(crate) fn with_last_held<T>(&self, partition: Partition, show: impl FnOnce(&R) -> T) -> Option<T> {
        let inner = self.lock();
        inner.slots.get(&partition)?.tracker.last_held().map(show)
    }

    /// Committable offsets that have advanced since they were last taken, of all partitions or of some.
    pub fn take_committable(&self, of: Option<&[Partition]>) -> Vec<(Partition, i64)> {
        let mut inner = self.lock();
        let wanted = |partition: &Partition| of.is_none_or(|some| some.contains(partition));
        inner
            .slots
            .iter_mut()
            .filter(|(partition, _)| wanted(partition))
            .filter_map(|(partition, slot)| {
                let offset = slot.tracker.committable().filter(|offset| slot.committed != Some(*offset))?;
                slot.committed = Some(offset);
                Some((*partition, offset))
            })
            .collect()
    }

    /// A commit failed: the offsets are taken again by the next call of [`Self::take_committable`].
    pub(crate) fn commit_failed(&self) {
        for slot in self.lock().slots.values_mut() {
            slot.committed = None;
        }
    }

    /// The timestamp, in ms, of the partition's first record that is not finished.
    pub fn oldest(&self, partition: Partition) -> Option<i64> {
        self.lock().slots.get(&partition)?.tracker.oldest()
    }

    pub fn load(&self) -> Load {
        self.lock().load()
    }

    /// Partitions with a rejection run.
    pub(crate) fn partitions_with_runs(&self) -> Vec<Partition> {
        let inner = self.lock();
        let with_runs = inner.slots.iter().filter(|(_, slot)| slot.tracker.held_records() > 0);
        with_runs.map(|(partition, _)| *partition).collect()
    }

    pub fn partitions(&self) -> Vec<Partition> {
        self.lock().slots.keys().copied().collect()
    }

    /// The length of the longest offset tracker, in records.
    pub fn longest(&self) -> usize {
        self.lock().slots.values().map(|slot| slot.tracker.len()).max().unwrap_or(0)
    }

    /// Blocks until there is room or the timeout passes; returns whether there is room.
    pub(crate) fn wait_for_room(&self, budget: Budget, timeout: Duration) -> bool {
        self.wait(timeout, |inner| budget.has_room(inner.load()))
    }

    /// Blocks until nothing of these partitions is in flight (held rejections do not count) or the timeout passes; returns
    /// whether they are drained.
    pub(crate) fn wait_until_drained(&self, partitions: &[Partition], timeout: Duration) -> bool {
        self.wait(timeout, |inner| inner.open_in(partitions) == 0)
    }

    fn wait(&self, timeout: Duration, done: impl Fn(&Inner<R>) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut inner = self.lock();
        while !done(&inner) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inner =
                self.changed.wait_timeout(inner, left).map_or_else(|error| error.into_inner().0, |(guard, _)| guard);
        }
        true
    }

    /// The offset trackers are never left half-updated, so a poisoned lock is safe to use.
    fn lock(&self) -> MutexGuard<'_, Inner<R>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
