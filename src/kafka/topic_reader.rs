//! Reads a topic from given offsets to an end fixed at the start, outside any consumer group: one partition after the other
//! by `assign`, without commits.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::OwnedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use tracing::warn;

use super::client::{self, Cluster};
use super::client_events::ClientEvents;
use crate::runtime::halt::Halt;
use crate::runtime::stop::Stop;

/// The deadline of one request.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the brokers may be silent before they count as unavailable.
const SILENCE_DEADLINE: Duration = Duration::from_secs(30);
/// How often a requested stop is checked.
const INTERVAL: Duration = Duration::from_millis(100);

/// The offsets of one partition to read: from `first`, up to but not including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub partition: i32,
    pub first: i64,
    pub end: i64,
}

/// Why a topic could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("Kafka is unavailable: {0}")]
    Unavailable(String),
    #[error("the topic {0} does not exist")]
    Missing(String),
    #[error("a batch of {topic}[{partition}] at or after offset {offset} cannot be decompressed")]
    Undecodable { topic: String, partition: i32, offset: i64 },
    #[error("{topic}[{partition}] has no offset {offset}: it ends at {end}, so it was truncated or recreated")]
    PastEnd { topic: String, partition: i32, offset: i64, end: i64 },
    #[error("interrupted")]
    Interrupted,
    #[error("could not read {topic}: {error}")]
    Failed { topic: String, error: KafkaError },
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(_) => Self::Unavailable(error.to_string()),
            ReadError::Interrupted => Self::Interrupted,
            ReadError::Missing(_) | ReadError::PastEnd { .. } => Self::Refused(error.to_string()),
            ReadError::Failed { .. } | ReadError::Undecodable { .. } => Self::Failed(error.to_string()),
        }
    }
}

/// A topic of a cluster.
#[derive(Debug, Clone)]
pub struct Source {
    pub cluster: Cluster,
    /// Required by the client, never joined.
    pub group: String,
    pub topic: String,
    pub stop: Stop,
}

/// A topic being read. Its calls block.
pub struct TopicReader {
    /// Taken when it is closed.
    consumer: Option<BaseConsumer<ClientEvents>>,
    source: Source,
    waiting: VecDeque<Span>,
    /// The rest of the span being read.
    current: Option<Span>,
    /// When the brokers last answered.
    answered_at: Instant,
    /// Offsets that retention deleted before they were read.
    deleted: u64,
}

impl Source {
    /// A span of each partition that is not empty, by partition number.
    ///
    /// # Errors
    /// The brokers are unavailable, or the topic does not exist or may not be read.
    pub fn spans(&self) -> Result<Vec<Span>, ReadError> {
        Ok(self.partitions()?.into_iter().filter(|span| span.first < span.end).collect())
    }

    /// A span of every partition, by partition number.
    ///
    /// # Errors
    /// As [`Self::spans`].
    pub fn partitions(&self) -> Result<Vec<Span>, ReadError> {
        let consumer = self.consumer()?;
        let unavailable = |error: KafkaError| ReadError::Unavailable(error.to_string());
        let metadata = consumer.fetch_metadata(Some(&self.topic), ANSWER).map_err(unavailable)?;
        let Some(found) = metadata.topics().first() else { return Err(ReadError::Missing(self.topic.clone())) };
        if let Some(error) = found.error() {
            return Err(self.error(KafkaError::MetadataFetch(error.into())));
        }
        let mut partitions: Vec<i32> = found.partitions().iter().map(|partition| partition.id()).collect();
        partitions.sort_unstable();
        let mut spans = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let (first, end) = consumer.fetch_watermarks(&self.topic, partition, ANSWER).map_err(unavailable)?;
            spans.push(Span { partition, first, end });
        }
        Ok(spans)
    }

    /// The first offset at or after a time (Unix ms) in each partition that has one.
    ///
    /// # Errors
    /// The brokers are unavailable.
    pub(crate) fn offsets_at(&self, time: i64, spans: &[Span]) -> Result<BTreeMap<i32, i64>, ReadError> {
        let unavailable = |error: KafkaError| ReadError::Unavailable(error.to_string());
        let mut asked = TopicPartitionList::new();
        for span in spans {
            asked.add_partition_offset(&self.topic, span.partition, Offset::Offset(time)).map_err(unavailable)?;
        }
        let found = self.consumer()?.offsets_for_times(asked, ANSWER).map_err(unavailable)?;
        let offset = |offset| match offset {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        Ok(found.elements().iter().filter_map(|found| Some((found.partition(), offset(found.offset())?))).collect())
    }

    /// A reader of these spans.
    ///
    /// # Errors
    /// The configuration of the client is invalid.
    pub fn read(&self, spans: &[Span]) -> Result<TopicReader, ReadError> {
        Ok(TopicReader {
            consumer: Some(self.consumer()?),
            source: self.clone(),
            waiting: spans.iter().copied().collect(),
            current: None,
            answered_at: Instant::now(),
            deleted: 0,
        })
    }

    fn consumer(&self) -> Result<BaseConsumer<ClientEvents>, ReadError> {
        let config = self.cluster.reader(&self.group);
        let consumer = BaseConsumer::from_config_and_context(&config, self.cluster.events("reader"));
        let consumer = consumer.map_err(|error| self.error(error))?;
        ClientEvents::identify(consumer.client()).map_err(|error| ReadError::Unavailable(error.to_string()))?;
        Ok(consumer)
    }

    fn error(&self, error: KafkaError) -> ReadError {
        let topic = self.topic.clone();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                ReadError::Missing(topic)
            }
            _ => ReadError::Failed { topic, error },
        }
    }
}

impl TopicReader {
    /// The next record, by partition and offset; `None` after the last.
    ///
    /// # Errors
    /// The brokers are unavailable for longer than half a minute, the topic may not be read, or a stop was requested.
    pub(crate) fn next_record(&mut self) -> Result<Option<OwnedMessage>, ReadError> {
        loop {
            let Some(span) = self.current_span()? else { return Ok(None) };
            if self.source.stop.is_requested() {
                return Err(ReadError::Interrupted);
            }
            let polled = self.consumer.as_ref().and_then(|consumer| consumer.poll(INTERVAL));
            if matches!(polled, Some(Ok(_) | Err(KafkaError::PartitionEOF(_)))) {
                self.answered_at = Instant::now();
            }
            match polled {
                Some(Ok(message)) if message.partition() == span.partition => {
                    // The last offsets may be transaction markers or compacted; then only the end of the partition ends the span.
                    let left = Span { first: message.offset() + 1, ..span };
                    self.current = Some(left).filter(|left| left.first < left.end);
                    if message.offset() < span.end {
                        return Ok(Some(message.detach()));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) if partition == span.partition => self.current = None,
                // From the previous partition.
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                    self.go_on_behind_deleted(span)?
                }
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::BadCompression | RDKafkaErrorCode::NotImplemented,
                ))) => {
                    let (topic, Span { partition, first: offset, .. }) = (self.source.topic.clone(), span);
                    return Err(ReadError::Undecodable { topic, partition, offset });
                }
                Some(Err(error)) if is_permanent(&error) => return Err(self.source.error(error)),
                // The client recovers by itself, if it can.
                Some(Err(_)) | None if self.answered_at.elapsed() < SILENCE_DEADLINE => {}
                Some(Err(error)) => return Err(ReadError::Unavailable(error.to_string())),
                None => {
                    let (topic, Span { partition, first, .. }) = (&self.source.topic, span);
                    return Err(ReadError::Unavailable(format!(
                        "no records of {topic}[{partition}] from offset {first} on for {SILENCE_DEADLINE:?}"
                    )));
                }
            }
        }
    }

    /// How many offsets retention has deleted before they were read, since the last call.
    pub(crate) fn take_deleted(&mut self) -> u64 {
        std::mem::take(&mut self.deleted)
    }

    /// The first offset of `span` is out of range.
    fn go_on_behind_deleted(&mut self, span: Span) -> Result<(), ReadError> {
        let (topic, Span { partition, first: offset, .. }) = (&self.source.topic, span);
        let Some(consumer) = &self.consumer else { return Ok(()) };
        let (low, end) = consumer
            .fetch_watermarks(topic, partition, ANSWER)
            .map_err(|error| ReadError::Unavailable(error.to_string()))?;
        if low <= offset {
            return Err(ReadError::PastEnd { topic: topic.clone(), partition, offset, end });
        }
        let first = low.min(span.end);
        warn!(topic, partition, from = offset, to = first - 1, "retention has deleted records before they were read");
        self.deleted += first.abs_diff(offset);
        self.answered_at = Instant::now();
        self.current = Some(Span { first, ..span }).filter(|left| left.first < left.end);
        self.current.map_or(Ok(()), |left| self.assign(left)).map_err(|error| self.source.error(error))
    }

    /// The span being read, or else the next one.
    fn current_span(&mut self) -> Result<Option<Span>, ReadError> {
        if self.current.is_none() {
            let Some(span) = self.waiting.pop_front() else { return Ok(None) };
            self.assign(span).map_err(|error| self.source.error(error))?;
            self.current = Some(span);
            self.answered_at = Instant::now();
        }
        Ok(self.current)
    }

    fn assign(&self, span: Span) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.source.topic, span.partition, Offset::Offset(span.first))?;
        self.consumer.as_ref().map_or(Ok(()), |consumer| consumer.assign(&list))
    }
}

impl Drop for TopicReader {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            client::close(consumer);
        }
    }
}

fn is_permanent(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownTopic
                    | RDKafkaErrorCode::UnknownPartition
            )
        )
}
