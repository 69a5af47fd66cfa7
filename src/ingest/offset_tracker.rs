//! The offset tracker of one partition: which records are in flight, which are finished, which offset is committable.
//!
//! Records are charged in delivery order and finished in any order. The committable offset is the end of the finished prefix
//! in delivery order, so control records and gaps left by compaction are passed. Rejections are evaluated in delivery order
//! too: those of a rejection run are held back until an accepted record ends the run, and a run that reaches the limit is a
//! poison flood. Pure: plain values, tested under random schedules.

use std::collections::VecDeque;

use crate::config::LimitsConfig;
use crate::store::history::Histories;

/// When a rejection run is a poison flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodLimit {
    /// Consecutive rejected records.
    pub records: usize,
    /// Bytes of held rejections; bounds the memory of a run of large records.
    pub bytes: usize,
}

impl From<&LimitsConfig> for FloodLimit {
    fn from(config: &LimitsConfig) -> Self {
        Self { records: config.max_consecutive_rejections as usize, bytes: config.max_consecutive_rejection_bytes.0 }
    }
}

/// How a record is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish<R> {
    /// Not a rejection; ends a run. Applied in these histories.
    Accepted(Histories),
    /// Dead-lettered once its run has ended.
    Rejected(R),
    /// Dead-lettered at once; neither lengthens nor ends a run.
    Neutral(R),
}

/// The effects of finishing a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished<R> {
    /// Dead letters to write now, with the sequence numbers to report as written.
    pub to_write: Vec<(u64, R)>,
    pub flood: Option<Flood>,
}

/// A rejection run that reached the limit. None of its dead letters is written, and no offset from its first record on is
/// committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    pub first_offset: i64,
    pub last_offset: i64,
    pub records: usize,
}

#[derive(Debug)]
enum Status<R> {
    /// Being decoded, queued or folded.
    InFlight,
    Accepted(Histories),
    /// Rejected and held back.
    Held(R),
    /// Its dead letter is being written.
    Writing,
    /// Its dead letter is acknowledged.
    Written,
}

#[derive(Debug)]
struct Entry<R> {
    offset: i64,
    bytes: usize,
    timestamp: Option<i64>,
    status: Status<R>,
}

/// The offset tracker of one partition during one assignment. `R` is a rejected record.
#[derive(Debug)]
pub struct OffsetTracker<R> {
    limit: FloodLimit,
    entries: VecDeque<Entry<R>>,
    /// The sequence number of the first entry.
    first: u64,
    /// The sequence number of the first entry that has not been evaluated for the rejection run.
    judged: u64,
    /// The sequence numbers of the rejection run.
    run: Vec<u64>,
    run_bytes: usize,
    /// Records and bytes that are in flight or whose dead letter is being written.
    open_records: usize,
    open_bytes: usize,
    committable: Option<i64>,
    /// Where the records of the finished prefix were applied, since this was last taken.
    ran_in: Histories,
    /// After a flood no more entries are evaluated, so that no dead letter of the run is written.
    flooded: bool,
}

impl<R> OffsetTracker<R> {
    pub fn new(limit: FloodLimit) -> Self {
        Self {
            limit,
            entries: VecDeque::new(),
            first: 0,
            judged: 0,
            run: Vec::new(),
            run_bytes: 0,
            open_records: 0,
            open_bytes: 0,
            committable: None,
            ran_in: Histories::None,
            flooded: false,
        }
    }

    /// Charges a delivered record, with its timestamp in ms; returns its sequence number.
    pub fn charge(&mut self, offset: i64, bytes: usize, timestamp: Option<i64>) -> u64 {
        let sequence = self.first + self.entries.len() as u64;
        self.entries.push_back(Entry { offset, bytes, timestamp, status: Status::InFlight });
        self.open_records += 1;
        self.open_bytes += bytes;
        sequence
    }

    /// Finishes a record. A sequence number that is not in flight is ignored.
    pub fn finish(&mut self, sequence: u64, how: Finish<R>) -> Finished<R> {
        let mut finished = Finished { to_write: Vec::new(), flood: None };
        let Some(entry) = self.entry(sequence).filter(|entry| matches!(entry.status, Status::InFlight)) else {
            return finished;
        };
        let bytes = entry.bytes;
        match how {
            Finish::Accepted(ran_in) => entry.status = Status::Accepted(ran_in),
            Finish::Rejected(rejected) => entry.status = Status::Held(rejected),
            Finish::Neutral(rejected) => {
                entry.status = Status::Writing;
                finished.to_write.push((sequence, rejected));
            }
        }
        if finished.to_write.is_empty() {
            self.release(bytes);
        }
        self.judge(&mut finished);
        self.settle();
        finished
    }

    /// The dead letter of this record is acknowledged.
    pub fn written(&mut self, sequence: u64) {
        let Some(entry) = self.entry(sequence).filter(|entry| matches!(entry.status, Status::Writing)) else {
            return;
        };
        entry.status = Status::Written;
        let bytes = entry.bytes;
        self.release(bytes);
        self.settle();
    }

    /// Ends the rejection run and returns its dead letters; the count restarts at zero.
    pub fn flush_run(&mut self) -> Vec<(u64, R)> {
        if self.flooded {
            return Vec::new();
        }
        let run = std::mem::take(&mut self.run);
        self.run_bytes = 0;
        run.into_iter().filter_map(|sequence| Some((sequence, self.begin_writing(sequence)?))).collect()
    }

    /// The committable offset: one past the last record of the finished prefix. `None` until there is one.
    pub fn committable(&self) -> Option<i64> {
        self.committable
    }

    /// Where the records that became committable since the last call were applied.
    pub fn take_ran_in(&mut self) -> Histories {
        std::mem::take(&mut self.ran_in)
    }

    /// The timestamp, in ms, of the first record that is not finished.
    pub fn oldest(&self) -> Option<i64> {
        self.entries.front()?.timestamp
    }

    /// Records that are not committable yet, finished ones behind an unfinished one included; held rejections do not count,
    /// since the flood limit bounds them.
    pub fn waiting_records(&self) -> usize {
        self.entries.len().saturating_sub(self.run.len())
    }

    /// Records in flight or whose dead letter is being written; held rejections do not count.
    pub fn open_records(&self) -> usize {
        self.open_records
    }

    /// The bytes of [`Self::open_records`].
    pub fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// The length of the rejection run.
    pub(crate) fn held_records(&self) -> usize {
        self.run.len()
    }

    /// The last record of the rejection run.
    pub(crate) fn last_held(&self) -> Option<&R> {
        let index = usize::try_from(self.run.last()?.checked_sub(self.first)?).ok()?;
        match &self.entries.get(index)?.status {
            Status::Held(rejected) => Some(rejected),
            _ => None,
        }
    }

    fn entry(&mut self, sequence: u64) -> Option<&mut Entry<R>> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    fn release(&mut self, bytes: usize) {
        self.open_records = self.open_records.saturating_sub(1);
        self.open_bytes = self.open_bytes.saturating_sub(bytes);
    }

    /// Evaluates finished entries in delivery order, up to the first one in flight.
    fn judge(&mut self, finished: &mut Finished<R>) {
        while !self.flooded {
            let sequence = self.judged;
            let Some(entry) = self.entry(sequence) else { return };
            match &entry.status {
                Status::InFlight => return,
                Status::Writing | Status::Written => {}
                Status::Accepted(_) => finished.to_write.extend(self.flush_run()),
                Status::Held(_) => {
                    self.run_bytes += entry.bytes;
                    self.run.push(sequence);
                    if self.run.len() >= self.limit.records || self.run_bytes > self.limit.bytes {
                        self.flooded = true;
                        finished.flood = self.flood();
                    }
                }
            }
            self.judged += 1;
        }
    }

    fn flood(&mut self) -> Option<Flood> {
        let (first, last) = (*self.run.first()?, *self.run.last()?);
        let records = self.run.len();
        Some(Flood { first_offset: self.entry(first)?.offset, last_offset: self.entry(last)?.offset, records })
    }

    fn begin_writing(&mut self, sequence: u64) -> Option<R> {
        let entry = self.entry(sequence)?;
        let bytes = entry.bytes;
        match std::mem::replace(&mut entry.status, Status::Writing) {
            Status::Held(rejected) => {
                self.open_records += 1;
                self.open_bytes += bytes;
                Some(rejected)
            }
            other => {
                entry.status = other;
                None
            }
        }
    }

    fn settle(&mut self) {
        while self.first < self.judged
            && let Some(entry) = self.entries.front()
        {
            match entry.status {
                Status::Accepted(ran_in) => self.ran_in = self.ran_in.and(ran_in),
                Status::Written => {}
                Status::InFlight | Status::Held(_) | Status::Writing => return,
            }
            self.committable = Some(entry.offset + 1);
            self.entries.pop_front();
            self.first += 1;
        }
    }
}
