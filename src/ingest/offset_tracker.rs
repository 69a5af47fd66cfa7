//! The offset offset tracker of one partition: which records are on their way, which are finished, what may be committed.
//!
//! Records are entered in delivery order and finished in any order; only what lies before the first unfinished one may
//! be committed, so control records and gaps left by compaction are passed. The offset tracker also judges rejections in
//! delivery order: those of a run are held back until an accepted record ends it, and a run that grows too long is a
//! flood. Pure: plain values, tested under random schedules.

use std::collections::VecDeque;

/// When a run of rejections is a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodLimit {
    /// Rejections in a row.
    pub records: usize,
    /// Bytes of rejected records held back, which bounds the memory of a run of large ones.
    pub bytes: usize,
}

/// How a record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish<R> {
    /// Not a rejection; ends a run.
    Accepted,
    /// To the dead letters, once its run has ended.
    Rejected(R),
    /// To the dead letters at once; neither lengthens nor ends a run.
    Neutral(R),
}

/// What finishing a record effects about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished<R> {
    /// Dead letters to write now, with the sequence numbers to report as written.
    pub to_write: Vec<(u64, R)>,
    pub flood: Option<Flood>,
}

/// A run of rejections that reached the limit. Nothing of it was written, nothing from its first record on committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    pub first_offset: i64,
    pub last_offset: i64,
    pub records: usize,
}

#[derive(Debug)]
enum Status<R> {
    /// Being decoded, queued or written.
    InFlight,
    Accepted,
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

/// The offset tracker of one partition during one assignment. `R` is what is kept of a rejected record.
#[derive(Debug)]
pub struct OffsetTracker<R> {
    limit: FloodLimit,
    entries: VecDeque<Entry<R>>,
    /// The sequence number of the first entry.
    first: u64,
    /// The sequence number of the first entry whose part in a run has not been judged.
    judged: u64,
    /// The sequence numbers of the run's rejections.
    run: Vec<u64>,
    run_bytes: usize,
    /// Records and bytes that are in flight or whose dead letter is being written.
    open_records: usize,
    open_bytes: usize,
    committable: Option<i64>,
    /// After a flood nothing is judged any more, so that nothing of the run gets written.
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
            flooded: false,
        }
    }

    /// Enters a record as it is delivered, with its timestamp in ms; gives its sequence number.
    pub fn charge(&mut self, offset: i64, bytes: usize, timestamp: Option<i64>) -> u64 {
        let sequence = self.first + self.entries.len() as u64;
        self.entries.push_back(Entry { offset, bytes, timestamp, status: Status::InFlight });
        self.open_records += 1;
        self.open_bytes += bytes;
        sequence
    }

    /// Ends a record. A number that is not in flight (any more) is ignored.
    pub fn finish(&mut self, sequence: u64, verdict: Finish<R>) -> Finished<R> {
        let mut finished = Finished { to_write: Vec::new(), flood: None };
        let Some(entry) = self.entry(sequence).filter(|entry| matches!(entry.status, Status::InFlight)) else {
            return finished;
        };
        let bytes = entry.bytes;
        match verdict {
            Finish::Accepted => entry.status = Status::Accepted,
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

    /// Ends the run because the partition is at its end: its dead letters are due, and the count starts anew.
    pub fn flush_run(&mut self) -> Vec<(u64, R)> {
        if self.flooded {
            return Vec::new();
        }
        let run = std::mem::take(&mut self.run);
        self.run_bytes = 0;
        run.into_iter().filter_map(|sequence| Some((sequence, self.begin_writing(sequence)?))).collect()
    }

    /// The offset to commit: the one after the last record of the finished prefix. `None` until there is one.
    pub fn committable(&self) -> Option<i64> {
        self.committable
    }

    /// The timestamp, in ms, of the first record that is not finished.
    pub fn oldest(&self) -> Option<i64> {
        self.entries.front()?.timestamp
    }

    /// Records in flight or whose dead letter is being written; rejections held back do not count.
    pub fn open_records(&self) -> usize {
        self.open_records
    }

    /// The bytes of the same.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// Rejections held back.
    pub fn held_records(&self) -> usize {
        self.run.len()
    }

    /// The last rejection of the run.
    pub fn last_held(&self) -> Option<&R> {
        let index = usize::try_from(self.run.last()?.checked_sub(self.first)?).ok()?;
        match &self.entries.get(index)?.status {
            Status::Held(rejected) => Some(rejected),
            _ => None,
        }
    }

    /// Entries kept, finished ones behind an unfinished one included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn entry(&mut self, sequence: u64) -> Option<&mut Entry<R>> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    fn release(&mut self, bytes: usize) {
        self.open_records = self.open_records.saturating_sub(1);
        self.open_bytes = self.open_bytes.saturating_sub(bytes);
    }

    /// Goes on through the entries in delivery order as far as their ends are known.
    fn judge(&mut self, finished: &mut Finished<R>) {
        while !self.flooded {
            let sequence = self.judged;
            let Some(entry) = self.entry(sequence) else { return };
            match &entry.status {
                Status::InFlight => return,
                Status::Writing | Status::Written => {}
                Status::Accepted => finished.to_write.extend(self.flush_run()),
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
            && matches!(entry.status, Status::Accepted | Status::Written)
        {
            self.committable = Some(entry.offset + 1);
            self.entries.pop_front();
            self.first += 1;
        }
    }
}
