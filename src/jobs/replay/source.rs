//! The records of a replay, decoded, in batches: partition after partition, up to the ends that the plan fixed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rdkafka::Message;
use rdkafka::message::OwnedMessage;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::codec::framed::SCHEMA_HEADER;
use crate::codec::{Decoded, RawRecord};
use crate::domain::event::{Event, Kind};
use crate::domain::sample::Sample;
use crate::ingest::record::{OriginalRecord, Rejected};
use crate::jobs::Means;
use crate::jobs::batch::{Batch, Work};
use crate::jobs::spec::{Range, Replay};
use crate::kafka::client::Topics;
use crate::kafka::headers;
use crate::kafka::partition::Partition;
use crate::kafka::topic_reader::{Span, TopicReader};
use crate::output::Refused;
use crate::registry::decoder::Decoder;
use crate::runtime::halt::Halt;
use crate::store::jobs::{Counts, Part};

/// The number of batches to read ahead.
const AHEAD: usize = 2;
/// The maximum size of a batch, in bytes of values.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// A replayed record is tried once.
const FIRST_ATTEMPT: u32 = 1;

/// The batches of a replay, which a thread reads ahead.
pub struct ReplaySource {
    batches: mpsc::Receiver<Result<Batch, Halt>>,
    most: Arc<AtomicUsize>,
}

impl ReplaySource {
    /// Starts to read `parts` from their positions; events of users outside `sample` are skipped.
    pub fn open(means: &Means, replay: &Replay, parts: &[Part], sample: Sample) -> Self {
        let (sender, batches) = mpsc::channel(AHEAD);
        let most = Arc::new(AtomicUsize::new(1));
        let left = |range: &Range| {
            let part = parts.iter().find(|part| part.name == range.part())?;
            Some(Range { first: part.position.parse().ok()?, ..range.clone() })
        };
        let reading = Reading {
            means: means.clone(),
            left: replay.ranges.iter().filter_map(left).collect(),
            rules: Rules {
                topics: means.output.topics.clone(),
                decoder: means.decoder.clone(),
                users: replay.users.iter().cloned().collect(),
                dead_letters: replay.dead_letters,
                sample,
            },
            most: Arc::clone(&most),
            sender,
        };
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
struct Reading {
    means: Means,
    left: Vec<Range>,
    rules: Rules,
    most: Arc<AtomicUsize>,
    sender: mpsc::Sender<Result<Batch, Halt>>,
}

impl Reading {
    fn run(self) {
        for range in &self.left {
            match self.read(range) {
                Ok(true) => {}
                Ok(false) => return,
                Err(halt) => {
                    // Fails if the job has ended before its source.
                    let _ = self.sender.blocking_send(Err(halt));
                    return;
                }
            }
        }
    }

    /// Reads one partition; returns false once the receiver is dropped.
    fn read(&self, range: &Range) -> Result<bool, Halt> {
        let source = self.means.replay_source(range.topic.clone());
        let span = Span { partition: range.partition, first: range.first, end: range.end };
        let mut reader = source.read(&[span])?;
        let mut position = range.first;
        loop {
            let batch = self.next_batch(&mut reader, range, position)?;
            let done = batch.done;
            position = batch.position.parse().unwrap_or(range.end);
            if self.sender.blocking_send(Ok(batch)).is_err() {
                return Ok(false);
            }
            if done {
                return Ok(true);
            }
        }
    }

    fn next_batch(&self, reader: &mut TopicReader, range: &Range, from: i64) -> Result<Batch, Halt> {
        let mut sorted = Sorted::default();
        let (mut records, mut bytes, mut position) = (0, 0, from);
        let mut done = false;
        while records < self.most.load(Ordering::Relaxed) && bytes < MOST_BYTES {
            let Some(message) = reader.next_record()? else {
                done = true;
                break;
            };
            records += 1;
            bytes += message.payload().map_or(0, <[u8]>::len);
            position = message.offset() + 1;
            if let Some(kind) = self.rules.topics.kind_of(&range.topic) {
                self.rules.sort(&message, kind, &mut sorted)?;
            }
        }
        done |= position >= range.end;
        sorted.counts.deleted = reader.take_deleted();
        let end = if done { range.end } else { position };
        Ok(Batch {
            part: range.part().into(),
            position: end.to_string(),
            done,
            passed: u64::try_from(end - from).unwrap_or(0),
            counts: sorted.counts,
            work: Work::Replay { events: sorted.events, records: sorted.records },
            refused: sorted.refused,
            failures: Vec::new(),
        })
    }
}

/// The rules by which records are decoded and selected.
struct Rules {
    topics: Topics,
    decoder: Decoder,
    users: std::collections::HashSet<String>,
    dead_letters: bool,
    sample: Sample,
}

/// Decoded records by their further processing.
#[derive(Default)]
struct Sorted {
    counts: Counts,
    events: Vec<Event>,
    /// The records of the events, if the job writes dead letters for those that the database rejects.
    records: Vec<OriginalRecord>,
    refused: Vec<Refused>,
}

impl Rules {
    /// Decodes a record and adds it to `sorted`; blocks while it waits for the record's schema.
    fn sort(&self, message: &OwnedMessage, kind: Kind, sorted: &mut Sorted) -> Result<(), Halt> {
        let schema = message.headers().and_then(|headers| headers::header(headers.as_borrowed(), SCHEMA_HEADER));
        match Handle::current().block_on(self.decoder.decode(&raw(message, kind), schema))? {
            Decoded::Event(event) if self.is_meant(&event) => {
                sorted.events.push(event);
                if self.dead_letters {
                    sorted.records.push(original(message, kind));
                }
            }
            Decoded::Event(_) | Decoded::Skipped(_) => sorted.counts.skip(),
            Decoded::Rejected(rejection) => {
                sorted.counts.reject();
                if self.dead_letters {
                    let rejected = Rejected { record: original(message, kind), rejection };
                    sorted.refused.push(Refused { rejected, attempts: FIRST_ATTEMPT });
                }
            }
        }
        Ok(())
    }

    fn is_meant(&self, event: &Event) -> bool {
        let user = event.user.as_str();
        (self.users.is_empty() || self.users.contains(user)) && self.sample.contains(user)
    }
}

fn raw(message: &OwnedMessage, kind: Kind) -> RawRecord<'_> {
    let traceparent =
        message.headers().and_then(|headers| headers::header(headers.as_borrowed(), headers::TRACEPARENT));
    RawRecord {
        kind,
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key(),
        value: message.payload(),
        timestamp: message.timestamp().to_millis(),
        traceparent,
    }
}

fn original(message: &OwnedMessage, kind: Kind) -> OriginalRecord {
    OriginalRecord {
        partition: Partition { kind, number: message.partition() },
        offset: message.offset(),
        key: message.key().map(Box::from),
        value: message.payload().map(Box::from),
        headers: message.headers().cloned(),
        timestamp: message.timestamp().to_millis(),
    }
}
