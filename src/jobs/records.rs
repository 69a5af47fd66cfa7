//! The records between fixed offsets of topics, in batches, partition after partition: the source of a replay and a redrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rdkafka::Message;
use rdkafka::message::OwnedMessage;
use tokio::sync::mpsc;

use super::Means;
use super::batch::{Attempt, Batch, Work};
use super::spec::Range;
use crate::domain::event::Event;
use crate::kafka::topic_reader::{Span, TopicReader};
use crate::output::Refused;
use crate::runtime::halt::Halt;
use crate::store::jobs::{Counts, Part};

/// The number of batches to read ahead.
const AHEAD: usize = 2;
/// The maximum size of a batch, in bytes.
pub(super) const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The batches, which a thread reads ahead.
pub struct Records {
    batches: mpsc::Receiver<Result<Batch, Halt>>,
    most: Arc<AtomicUsize>,
}

/// How a kind of job takes records.
pub(super) trait Take: Send + 'static {
    /// How many more records the job takes.
    fn left(&self) -> u64;

    /// Adds a record to a batch, or leaves it; blocks while it waits for the record's schema.
    ///
    /// # Errors
    /// The schema registry is unavailable, or a stop was requested.
    fn take(&mut self, message: &OwnedMessage, taken: &mut Taken) -> Result<(), Halt>;
}

/// The records of a batch, by their further processing.
#[derive(Default)]
pub(super) struct Taken {
    pub records: usize,
    pub bytes: usize,
    /// The outcomes of those that need no fold.
    pub counts: Counts,
    pub events: Vec<Event>,
    /// The records of the events, if the job writes dead letters for those that are rejected.
    pub attempts: Vec<Attempt>,
    pub refused: Vec<Refused>,
}

impl Records {
    /// Starts to read those of `ranges` that have a part in `left`, from the parts' positions.
    pub(super) fn open(means: &Means, ranges: &[Range], left: &[&Part], by: impl Take) -> Self {
        let (sender, batches) = mpsc::channel(AHEAD);
        let most = Arc::new(AtomicUsize::new(1));
        let rest = |range: &Range| {
            let part = left.iter().find(|part| part.name == range.part())?;
            Some(Range { first: part.position.parse().ok()?, ..range.clone() })
        };
        let ranges = ranges.iter().filter_map(rest).collect();
        let reading = Reading { means: means.clone(), ranges, by, most: Arc::clone(&most), sender };
        // The thread ends by itself: when all is read, when the receiver is dropped, or when a stop is requested.
        drop(tokio::task::spawn_blocking(move || reading.run()));
        Self { batches, most }
    }

    /// The next batch, of about `most` records.
    ///
    /// # Errors
    /// The brokers are unavailable, a topic no longer exists or was truncated, or a stop was requested.
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        self.most.store(most, Ordering::Relaxed);
        self.batches.recv().await.transpose()
    }
}

/// The thread that reads.
struct Reading<T> {
    means: Means,
    ranges: Vec<Range>,
    by: T,
    most: Arc<AtomicUsize>,
    sender: mpsc::Sender<Result<Batch, Halt>>,
}

impl<T: Take> Reading<T> {
    fn run(mut self) {
        for range in std::mem::take(&mut self.ranges) {
            if let Err(halt) = self.read(&range) {
                // Fails if the job has ended before its source.
                let _ = self.sender.blocking_send(Err(halt));
                return;
            }
        }
    }

    /// Reads one partition, unless the job takes no more or the receiver is dropped.
    fn read(&mut self, range: &Range) -> Result<(), Halt> {
        let source = self.means.source_of(range.topic.clone());
        let mut reader = source.read(&[Span::from(range)])?;
        let mut position = range.first;
        while position < range.end && self.by.left() > 0 {
            let (batch, after) = self.next_batch(&mut reader, range, position)?;
            position = after;
            if self.sender.blocking_send(Ok(batch)).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The next batch, and the position after it.
    fn next_batch(&mut self, reader: &mut TopicReader, range: &Range, from: i64) -> Result<(Batch, i64), Halt> {
        let mut taken = Taken::default();
        let mut position = from;
        while taken.records < self.most.load(Ordering::Relaxed) && taken.bytes < MOST_BYTES && self.by.left() > 0 {
            let Some(message) = reader.next_record()? else {
                position = range.end;
                break;
            };
            position = message.offset() + 1;
            self.by.take(&message, &mut taken)?;
        }
        taken.counts.deleted = reader.take_deleted();
        let position = position.min(range.end);
        let batch = Batch {
            part: range.part().into(),
            position: position.to_string(),
            done: position == range.end || self.by.left() == 0,
            passed: u64::try_from(position - from).unwrap_or(0),
            counts: taken.counts,
            work: Work::Records { events: taken.events, attempts: taken.attempts },
            refused: taken.refused,
            failures: Vec::new(),
        };
        Ok((batch, position))
    }
}
