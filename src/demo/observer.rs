//! Reads what the service says: segment-changed and the dead letters, as any consumer of theirs would.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde::Deserialize;

use crate::kafka::client::Topics;
use crate::kafka::dead_letter::REASON;

/// The header of a dead letter that says in words what was wrong.
const DETAIL: &str = "__connect.errors.exception.message";

const POLL: Duration = Duration::from_millis(50);

/// A change as a consumer of segment-changed reads it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadChange {
    pub user_id: String,
    pub previous_segments: Vec<ReadSegment>,
    pub new_segments: Vec<ReadSegment>,
}

/// A segment in a [`ReadChange`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ReadSegment {
    pub segment: String,
    pub score: f64,
    #[serde(default)]
    pub reasons: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope {
    payload: ReadChange,
}

/// What has been read so far.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Records on segment-changed.
    pub said: u64,
    /// Of them, first rankings of a traveller.
    pub first: u64,
    /// Rankings whose first segment is another than before.
    pub primary_changed: u64,
    /// Other changes of a ranking.
    pub ranking_changed: u64,
    /// Null records: the traveller is forgotten.
    pub erased: u64,
    /// The last change of the travellers whose story is followed.
    pub followed: HashMap<String, ReadChange>,
    pub dead_letters: u64,
    /// By reason and detail.
    pub rejections: BTreeMap<(String, String), u64>,
}

/// The reading thread; it ends when this is dropped.
pub struct Observer {
    observed: Arc<Mutex<Observed>>,
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Begins to read both topics, which have so many partitions, and to follow the changes of `follow`.
    ///
    /// # Errors
    /// A client could not be made.
    pub fn start(config: &ClientConfig, topics: &Topics, partitions: i32, follow: Vec<String>) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = config.create().context("could not make the observer's Kafka client")?;
        let mut list = TopicPartitionList::new();
        for topic in [&topics.segment_changed, &topics.dead_letter] {
            for partition in 0..partitions {
                list.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&list).context("could not read the output topics")?;
        let observed = Arc::new(Mutex::new(Observed::default()));
        let enough = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            consumer,
            observed: Arc::clone(&observed),
            segment_changed: topics.segment_changed.clone(),
            follow,
        };
        let told = Arc::clone(&enough);
        let thread = std::thread::Builder::new()
            .name("observer".to_owned())
            .spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    reader.read();
                }
            })
            .context("could not start the observer's thread")?;
        Ok(Self { observed, enough, thread: Some(thread) })
    }

    pub fn observed(&self) -> Observed {
        lock(&self.observed).clone()
    }

    /// Whether so many records have been read of each topic.
    pub fn has_read(&self, said: u64, dead_letters: u64) -> bool {
        let observed = lock(&self.observed);
        observed.said >= said && observed.dead_letters >= dead_letters
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of it is in the log.
            let _ = thread.join();
        }
    }
}

struct Reader {
    consumer: BaseConsumer,
    observed: Arc<Mutex<Observed>>,
    segment_changed: String,
    follow: Vec<String>,
}

impl Reader {
    fn read(&self) {
        // An error is the client's to recover from.
        let Some(Ok(message)) = self.consumer.poll(POLL) else { return };
        let mut observed = lock(&self.observed);
        if message.topic() == self.segment_changed {
            self.note_change(&mut observed, message.payload());
        } else {
            note_dead_letter(&mut observed, &message);
        }
    }

    fn note_change(&self, observed: &mut Observed, value: Option<&[u8]>) {
        observed.said += 1;
        let Some(value) = value else {
            observed.erased += 1;
            return;
        };
        let Ok(Envelope { payload: change }) = serde_json::from_slice(value) else { return };
        let primary = |ranking: &[ReadSegment]| ranking.first().map(|first| first.segment.clone());
        if change.previous_segments.is_empty() {
            observed.first += 1;
        } else if primary(&change.previous_segments) != primary(&change.new_segments) {
            observed.primary_changed += 1;
        } else {
            observed.ranking_changed += 1;
        }
        if self.follow.contains(&change.user_id) {
            observed.followed.insert(change.user_id.clone(), change);
        }
    }
}

fn note_dead_letter(observed: &mut Observed, message: &BorrowedMessage<'_>) {
    let header = |wanted: &str| {
        let headers = message.headers()?;
        let found = headers.iter().find(|header| header.key == wanted)?;
        Some(String::from_utf8_lossy(found.value?).into_owned())
    };
    observed.dead_letters += 1;
    let reason = (header(REASON).unwrap_or_default(), header(DETAIL).unwrap_or_default());
    *observed.rejections.entry(reason).or_default() += 1;
}

fn lock(observed: &Mutex<Observed>) -> MutexGuard<'_, Observed> {
    observed.lock().unwrap_or_else(PoisonError::into_inner)
}
