//! What segment-changed says last of each user: the topic is read from its beginning to its present end, and of each user
//! only the last record's revision is kept. Joins no group and commits nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::{ClientContext, Message as _, Offset, TopicPartitionList};

use super::client::{Cluster, log_client_error, log_client_line};
use crate::event::UserId;
use crate::pipeline::segment_changed::REVISION_HEADER;

/// How long the brokers may take to answer a question.
const ANSWER: Duration = Duration::from_secs(10);
/// How long nothing may arrive before the brokers count as away.
const STALL: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);

/// Why the topic could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the brokers do not answer: {0}")]
    Away(String),
    #[error("the topic {0} does not exist")]
    Missing(String),
    #[error("the topic cannot be read: {0}")]
    Failed(#[from] KafkaError),
}

/// The last record of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRecord {
    /// Absent where the header is missing or no number: not written by us.
    pub revision: Option<i64>,
    pub is_null: bool,
    /// Where it lies and when it was written, to tell which is last if the number of partitions was changed.
    partition: i32,
    timestamp: i64,
}

impl LastRecord {
    /// The record with this revision, if any; for comparing.
    pub fn new(revision: Option<i64>, is_null: bool) -> Self {
        Self { revision, is_null, partition: 0, timestamp: 0 }
    }

    fn follows(&self, other: &Self) -> bool {
        self.partition == other.partition || self.timestamp >= other.timestamp
    }
}

/// A reader of segment-changed that goes on where it stopped.
pub struct SaidRevisions {
    consumer: BaseConsumer<ReaderEvents>,
    topic: String,
    /// The offset that each partition is read from next.
    next: BTreeMap<i32, i64>,
    pub users: HashMap<Box<str>, LastRecord>,
    pub records: u64,
    /// Records whose key names no user.
    pub unreadable: u64,
}

impl SaidRevisions {
    /// Finds the topic's partitions. Blocks for as long as the brokers take.
    ///
    /// # Errors
    /// The brokers do not answer, or the topic does not exist.
    pub fn open(cluster: &Cluster, group: &str, topic: &str) -> Result<Self, ReadError> {
        let consumer: BaseConsumer<ReaderEvents> =
            BaseConsumer::from_config_and_context(&cluster.reader(group), ReaderEvents)?;
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER).map_err(away)?;
        let partitions = metadata.topics().iter().filter(|found| found.name() == topic && found.error().is_none());
        let next: BTreeMap<i32, i64> =
            partitions.flat_map(|found| found.partitions()).map(|partition| (partition.id(), 0)).collect();
        if next.is_empty() {
            return Err(ReadError::Missing(topic.to_owned()));
        }
        let topic = topic.to_owned();
        Ok(Self { consumer, topic, next, users: HashMap::new(), records: 0, unreadable: 0 })
    }

    /// Reads on up to where the topic ends now. Blocks for as long as that takes.
    ///
    /// # Errors
    /// The brokers do not answer, or do not let us read.
    pub fn read_on(&mut self) -> Result<(), ReadError> {
        let mut ends = self.assign_to_the_end()?;
        let mut last_progress = Instant::now();
        while !ends.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    last_progress = Instant::now();
                    let (partition, offset) = (message.partition(), message.offset());
                    let Some(end) = ends.get(&partition).copied() else { continue };
                    if offset < end {
                        note(&message, &mut self.users, &mut self.records, &mut self.unreadable);
                    }
                    if offset >= end - 1 {
                        ends.remove(&partition);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(ends.remove(&partition)),
                Some(Err(error)) if is_final(&error) => return Err(error.into()),
                Some(Err(error)) if last_progress.elapsed() > STALL => return Err(away(error)),
                None if last_progress.elapsed() > STALL => {
                    return Err(ReadError::Away(format!("nothing came for {} s", STALL.as_secs())));
                }
                Some(Err(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Assigns what is still to be read of each partition, and gives where it ends.
    fn assign_to_the_end(&mut self) -> Result<BTreeMap<i32, i64>, ReadError> {
        let mut wanted = TopicPartitionList::new();
        let mut ends = BTreeMap::new();
        for (partition, next) in &mut self.next {
            let (low, high) = self.consumer.fetch_watermarks(&self.topic, *partition, ANSWER).map_err(away)?;
            let first = low.max(*next);
            if first < high {
                wanted.add_partition_offset(&self.topic, *partition, Offset::Offset(first))?;
                ends.insert(*partition, high);
            }
            *next = high;
        }
        self.consumer.assign(&wanted)?;
        Ok(ends)
    }
}

fn note(
    message: &BorrowedMessage<'_>,
    users: &mut HashMap<Box<str>, LastRecord>,
    records: &mut u64,
    unreadable: &mut u64,
) {
    *records += 1;
    let user = message.key().and_then(|key| std::str::from_utf8(key).ok()).filter(|key| UserId::new(key).is_some());
    let Some(user) = user else {
        *unreadable += 1;
        return;
    };
    let record = LastRecord {
        revision: revision(message),
        is_null: message.payload().is_none(),
        partition: message.partition(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
    };
    match users.get_mut(user) {
        Some(held) if record.follows(held) => *held = record,
        Some(_) => {}
        None => drop(users.insert(user.into(), record)),
    }
}

fn revision(message: &BorrowedMessage<'_>) -> Option<i64> {
    let header = message.headers()?.iter().find(|header| header.key == REVISION_HEADER)?;
    std::str::from_utf8(header.value?).ok()?.parse().ok()
}

fn away(error: KafkaError) -> ReadError {
    if is_final(&error) { error.into() } else { ReadError::Away(error.to_string()) }
}

/// Waiting would not help: a right is missing, or the topic has gone.
fn is_final(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::Fatal
        )
    )
}

/// Logs what the client reports of itself.
#[derive(Debug, Clone, Copy)]
struct ReaderEvents;

impl ClientContext for ReaderEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_client_line("reader", level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_client_error("reader", &error, reason);
    }
}

impl ConsumerContext for ReaderEvents {}
