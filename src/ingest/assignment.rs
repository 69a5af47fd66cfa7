//! The partitions assigned to this process: those that wait for their start, and the offset trackers and positions of those that
//! are read. Shared by the consumer thread, the workers and the dead-letter writer.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::offset_tracker::{Finish, Flood, FloodLimit, OffsetTracker};
use super::position::{Loss, Position, Started};
use crate::config::InFlightConfig;
use crate::kafka::partition::Partition;
use crate::store::positions::{Answer, Claim, PartitionKey};
use crate::telemetry::metrics::Load;

/// One assignment of one partition, or one restart of it. Void once the partition is given up or restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

/// Identifies one delivery of one record. Void with its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub partition: Partition,
    epoch: Epoch,
    sequence: u64,
    /// The record is in the repair range: its user is published even where nothing changes.
    pub is_in_repair: bool,
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

/// How many times the budget of open records may be polled and not committable: in one partition, which is then paused alone,
/// and in all. So several partitions may be stuck before the rest is held up.
const WAITING_IN_ONE: usize = 2;
const WAITING_IN_ALL: usize = 32;

impl Budget {
    /// The records of one partition that may wait to be committable.
    pub(crate) fn of_a_partition(self) -> usize {
        self.records.saturating_mul(WAITING_IN_ONE)
    }

    fn has_room(self, load: Load) -> bool {
        load.open < self.records
            && load.bytes < self.bytes
            && load.records < self.records.saturating_mul(WAITING_IN_ALL)
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
    epoch: Epoch,
    /// `None` until the partition is started.
    reading: Option<Reading<R>>,
}

/// A partition that is read.
#[derive(Debug)]
struct Reading<R> {
    tracker: OffsetTracker<R>,
    position: Position,
    /// The offset committed to Kafka last.
    committed: Option<i64>,
    /// The partition's end, as far as it was seen.
    end: Option<i64>,
}

/// How far a partition that is read has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    pub committed: Option<i64>,
    pub end: Option<i64>,
    /// The end of its repair range, while it is in it.
    pub repair_until: Option<i64>,
}

impl<R> Inner<R> {
    fn open(&mut self, partition: Partition) -> Epoch {
        self.next_epoch += 1;
        let epoch = Epoch(self.next_epoch);
        self.slots.insert(partition, Slot { epoch, reading: None });
        epoch
    }

    fn slot(&mut self, partition: Partition, epoch: Epoch) -> Option<&mut Slot<R>> {
        self.slots.get_mut(&partition).filter(|slot| slot.epoch == epoch)
    }

    fn tracker(&mut self, ticket: Ticket) -> Option<&mut OffsetTracker<R>> {
        Some(&mut self.slot(ticket.partition, ticket.epoch)?.reading.as_mut()?.tracker)
    }

    fn readings(&self) -> impl Iterator<Item = (Partition, &Reading<R>)> {
        self.slots.iter().filter_map(|(partition, slot)| Some((*partition, slot.reading.as_ref()?)))
    }

    fn readings_mut(&mut self) -> impl Iterator<Item = (Partition, Epoch, &mut Reading<R>)> {
        self.slots.iter_mut().filter_map(|(partition, slot)| Some((*partition, slot.epoch, slot.reading.as_mut()?)))
    }

    fn load(&self) -> Load {
        let mut load = Load { partitions: self.slots.len(), ..Load::default() };
        for (_, reading) in self.readings() {
            load.records += reading.tracker.waiting_records();
            load.open += reading.tracker.open_records();
            load.bytes += reading.tracker.open_bytes();
            load.held += reading.tracker.held_records();
        }
        load
    }

    fn open_in(&self, partitions: &[Partition]) -> usize {
        let readings = self.readings().filter(|(partition, _)| partitions.contains(partition));
        readings.map(|(_, reading)| reading.tracker.open_records()).sum()
    }
}

/// A claim of a partition, to be written to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionClaim {
    pub partition: Partition,
    epoch: Epoch,
    pub claim: Claim,
}

/// An offset that may be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmedOffset {
    pub partition: Partition,
    pub key: PartitionKey,
    pub offset: i64,
}

/// The effects of the database's answers to claims.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Partitions that have to be started anew.
    pub lost: Vec<(Partition, Loss)>,
    /// Partitions whose row has vanished.
    pub vanished: Vec<Partition>,
}

impl<R> Assignment<R> {
    pub fn new(limit: FloodLimit) -> Self {
        let inner = Inner { slots: HashMap::new(), next_epoch: 0 };
        Self { limit, inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// Enters partitions, which wait for their start; tickets of an earlier assignment become void.
    pub fn assign(&self, partitions: &[Partition]) -> Vec<(Partition, Epoch)> {
        let mut inner = self.lock();
        partitions.iter().map(|partition| (*partition, inner.open(*partition))).collect()
    }

    /// The partition is read from now on; false if the epoch is void.
    pub fn start(&self, partition: Partition, epoch: Epoch, started: &Started) -> bool {
        let mut inner = self.lock();
        let Some(slot) = inner.slot(partition, epoch) else { return false };
        slot.reading = Some(Reading {
            tracker: OffsetTracker::new(self.limit),
            position: Position::new(started),
            committed: started.committed,
            end: None,
        });
        true
    }

    /// Drops the offset trackers of partitions that stay assigned, which wait for another start. Their records in flight are
    /// abandoned, never committed.
    pub fn restart(&self, partitions: &[Partition]) -> Vec<(Partition, Epoch)> {
        let mut inner = self.lock();
        let held = partitions.iter().filter(|partition| inner.slots.contains_key(partition)).copied();
        let held: Vec<Partition> = held.collect();
        let epochs = held.into_iter().map(|partition| (partition, inner.open(partition))).collect();
        drop(inner);
        self.changed.notify_all();
        epochs
    }

    /// Removes partitions; records in flight are abandoned, never committed.
    pub fn give_up(&self, partitions: &[Partition]) {
        let mut inner = self.lock();
        for partition in partitions {
            inner.slots.remove(partition);
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Charges a delivered record, with its timestamp in ms. `None` for a partition that is not read.
    pub fn charge(&self, partition: Partition, offset: i64, bytes: usize, timestamp: Option<i64>) -> Option<Ticket> {
        let mut inner = self.lock();
        let slot = inner.slots.get_mut(&partition)?;
        let reading = slot.reading.as_mut()?;
        let sequence = reading.tracker.charge(offset, bytes, timestamp);
        let is_in_repair = reading.position.is_in_repair(offset);
        Some(Ticket { partition, epoch: slot.epoch, sequence, is_in_repair })
    }

    /// For each ticket, whether its partition is still in the assignment that delivered the record.
    pub fn are_current(&self, tickets: impl Iterator<Item = Ticket>) -> Vec<bool> {
        let mut inner = self.lock();
        tickets.map(|ticket| inner.tracker(ticket).is_some()).collect()
    }

    /// Finishes records. Void tickets are ignored: the partition's present owner reads their records again.
    pub fn finish(&self, ended: impl IntoIterator<Item = (Ticket, Finish<R>)>) -> Effects<R> {
        let mut effects = Effects { to_write: Vec::new(), flood: None };
        let mut inner = self.lock();
        for (ticket, finish) in ended {
            let Some(tracker) = inner.tracker(ticket) else { continue };
            let finished = tracker.finish(ticket.sequence, finish);
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
            if let Some(tracker) = inner.tracker(*ticket) {
                tracker.written(ticket.sequence);
            }
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Ends the rejection run of a partition and returns its dead letters.
    pub fn flush_run(&self, partition: Partition) -> Vec<(Ticket, R)> {
        let mut inner = self.lock();
        let Some(slot) = inner.slots.get_mut(&partition) else { return Vec::new() };
        let Some(reading) = slot.reading.as_mut() else { return Vec::new() };
        let epoch = slot.epoch;
        let ticket = |sequence| Ticket { partition, epoch, sequence, is_in_repair: false };
        reading.tracker.flush_run().into_iter().map(|(sequence, rejected)| (ticket(sequence), rejected)).collect()
    }

    /// Passes the last rejection of the partition's run to `show`.
    pub(crate) fn with_last_held<T>(&self, partition: Partition, show: impl FnOnce(&R) -> T) -> Option<T> {
        let inner = self.lock();
        inner.slots.get(&partition)?.reading.as_ref()?.tracker.last_held().map(show)
    }

    /// Claims the finished prefix of every partition that is read, or of some.
    pub fn claims(&self, of: Option<&[Partition]>) -> Vec<PartitionClaim> {
        let mut inner = self.lock();
        let wanted = inner.readings_mut().filter(|(partition, ..)| of.is_none_or(|some| some.contains(partition)));
        let claim = |(partition, epoch, reading): (Partition, Epoch, &mut Reading<R>)| PartitionClaim {
            partition,
            epoch,
            claim: reading.position.claim(reading.tracker.committable(), reading.tracker.take_ran_in()),
        };
        wanted.map(claim).collect()
    }

    /// Takes the database's answers to `claims`. Claims of void epochs are ignored.
    pub fn answer(&self, claims: &[PartitionClaim], answers: &HashMap<PartitionKey, Answer>) -> Answered {
        let mut inner = self.lock();
        let mut answered = Answered::default();
        for PartitionClaim { partition, epoch, claim } in claims {
            let Some(reading) = inner.slot(*partition, *epoch).and_then(|slot| slot.reading.as_mut()) else { continue };
            match answers.get(&claim.key).map(|answer| reading.position.answer(claim, *answer)) {
                Some(Ok(())) => {}
                Some(Err(loss)) => answered.lost.push((*partition, loss)),
                None => answered.vanished.push(*partition),
            }
        }
        answered
    }

    /// Confirmed offsets that differ from those committed last, of all partitions or of some, each with its topic's id. They
    /// count as committed from now on.
    pub fn take_confirmed(&self, of: Option<&[Partition]>) -> Vec<ConfirmedOffset> {
        let mut inner = self.lock();
        let wanted = inner.readings_mut().filter(|(partition, ..)| of.is_none_or(|some| some.contains(partition)));
        wanted
            .filter_map(|(partition, _, reading)| {
                let offset = reading.position.confirmed();
                let before = reading.committed.replace(offset);
                (before != Some(offset)).then_some(ConfirmedOffset { partition, key: reading.position.key(), offset })
            })
            .collect()
    }

    /// A commit failed: the offsets are taken again by the next call of [`Self::take_confirmed`].
    pub(crate) fn commit_failed(&self) {
        self.lock().readings_mut().for_each(|(_, _, reading)| reading.committed = None);
    }

    /// The timestamp, in ms, of the partition's first record that is not finished.
    pub fn oldest(&self, partition: Partition) -> Option<i64> {
        self.lock().slots.get(&partition)?.reading.as_ref()?.tracker.oldest()
    }

    /// Notes the end of a partition.
    pub(crate) fn see_end(&self, partition: Partition, end: i64) {
        if let Some(reading) = self.lock().slots.get_mut(&partition).and_then(|slot| slot.reading.as_mut()) {
            reading.end = Some(end);
        }
    }

    /// The assigned partitions; without a stand those that wait for their start.
    pub(crate) fn stands(&self) -> Vec<(Partition, Option<Stand>)> {
        let stand = |reading: &Reading<R>| Stand {
            committed: reading.committed,
            end: reading.end,
            repair_until: reading.position.repair_until(),
        };
        let inner = self.lock();
        inner.slots.iter().map(|(partition, slot)| (*partition, slot.reading.as_ref().map(stand))).collect()
    }

    pub fn load(&self) -> Load {
        self.lock().load()
    }

    /// Partitions with a rejection run.
    pub(crate) fn partitions_with_runs(&self) -> Vec<Partition> {
        let inner = self.lock();
        let with_runs = inner.readings().filter(|(_, reading)| reading.tracker.held_records() > 0);
        with_runs.map(|(partition, _)| partition).collect()
    }

    /// The partitions with at least this many records that are not committable yet.
    pub(crate) fn partitions_with(&self, waiting_records: usize) -> Vec<Partition> {
        let inner = self.lock();
        let full = inner.readings().filter(|(_, reading)| reading.tracker.waiting_records() >= waiting_records);
        full.map(|(partition, _)| partition).collect()
    }

    /// Partitions whose records are all finished and wait for nothing but the end of a rejection run.
    pub(crate) fn partitions_held_up_by_runs(&self) -> Vec<Partition> {
        let inner = self.lock();
        let held_up = inner.readings().filter(|(_, Reading { tracker, .. })| {
            tracker.held_records() > 0 && tracker.open_records() == 0 && tracker.waiting_records() > 0
        });
        held_up.map(|(partition, _)| partition).collect()
    }

    /// Whether the partition waits for its start in this epoch.
    pub(crate) fn awaits_start(&self, partition: Partition, epoch: Epoch) -> bool {
        self.lock().slot(partition, epoch).is_some_and(|slot| slot.reading.is_none())
    }

    /// The partitions that are read.
    pub fn partitions(&self) -> Vec<Partition> {
        self.lock().readings().map(|(partition, _)| partition).collect()
    }

    /// The partitions that are read and whose topic has another id than `present` gives for it.
    pub(crate) fn of_another_topic(&self, present: impl Fn(Partition) -> Option<uuid::Uuid>) -> Vec<Partition> {
        let inner = self.lock();
        let differs = |(partition, reading): &(Partition, &Reading<R>)| {
            present(*partition).is_some_and(|id| id != reading.position.key().topic_id)
        };
        inner.readings().filter(differs).map(|(partition, _)| partition).collect()
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
