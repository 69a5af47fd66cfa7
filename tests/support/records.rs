//! Produces records and reads them back.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use segmenter::kafka::ffi;

use super::Kafka;
use super::kafka::TIMEOUT;
use super::topics::watermarks;

/// Records enqueued at once; far below the limit of librdkafka's queue.
const BATCH: usize = 10_000;

/// A record to produce. Without a partition, the murmur2 hash of the key selects one, as in Java clients.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Unix milliseconds; the present if `None`.
    pub timestamp: Option<i64>,
}

impl Record {
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }

    pub fn without_key(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// A tombstone.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    pub fn partition(self, partition: i32) -> Self {
        Self { partition: Some(partition), ..self }
    }

    pub fn timestamp(self, timestamp: i64) -> Self {
        Self { timestamp: Some(timestamp), ..self }
    }

    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }
}

/// A record as read from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Unix milliseconds.
    pub timestamp: Option<i64>,
}

impl OwnedRecord {
    /// The key as text; panics if it is null or not UTF-8.
    pub fn key_text(&self) -> &str {
        std::str::from_utf8(self.key.as_deref().expect("a key")).expect("UTF-8")
    }

    /// The value as JSON; panics if it is null or not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.value.as_deref().expect("a value")).expect("JSON")
    }

    /// The last header of that name as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(found, _)| found == name)?;
        value.as_deref().map(|value| std::str::from_utf8(value).expect("UTF-8"))
    }
}

/// The end of a transaction.
#[derive(Clone, Copy)]
pub enum Transaction {
    Committed,
    Aborted,
}

impl Kafka {
    /// Produces one record and returns its partition and offset once it is acknowledged.
    pub async fn produce(&self, topic: &str, record: Record) -> (i32, i64) {
        self.produce_all(topic, [record]).await[0]
    }

    /// Produces many records, in order within a partition, and returns partition and offset of each once all are acknowledged.
    pub async fn produce_all(&self, topic: &str, records: impl IntoIterator<Item = Record>) -> Vec<(i32, i64)> {
        send(self.producer.get_or_init(|| self.new_producer(None)), topic, records).await
    }

    /// [`Self::produce_all`] by a client without cached metadata, so that it finds partitions that were just added.
    pub async fn produce_by_new_client(&self, topic: &str, records: impl IntoIterator<Item = Record>) {
        send(&self.new_producer(None), topic, records).await;
    }

    /// Produces records as one batch that is compressed with gzip.
    pub async fn produce_gzip(&self, topic: &str, records: impl IntoIterator<Item = Record>) {
        let mut config = self.client();
        config.set("acks", "all").set("compression.type", "gzip").set("linger.ms", "1000");
        send(&config.create().expect("a valid client"), topic, records).await;
    }

    /// Produces records in a transaction, which also puts a control record into each partition.
    pub async fn produce_in_transaction(&self, topic: &str, records: Vec<Record>, end: Transaction) {
        let producer = self.new_producer(Some(uuid::Uuid::new_v4().to_string()));
        let producer = blocking(producer, |producer| producer.init_transactions(TIMEOUT)).await;
        producer.begin_transaction().expect("a transaction begins");
        send(&producer, topic, records).await;
        let end_it = move |producer: &FutureProducer| match end {
            Transaction::Committed => producer.commit_transaction(TIMEOUT),
            Transaction::Aborted => producer.abort_transaction(TIMEOUT),
        };
        drop(blocking(producer, end_it).await);
    }

    /// Everything in the topic, from its beginning up to the end at the call; by partition, then by offset. Only what
    /// committed transactions wrote.
    pub async fn read_all(&self, topic: &str) -> Vec<OwnedRecord> {
        let topic = topic.to_owned();
        self.ask("segmenter-tests", move |client| read_all(client, &topic)).await
    }

    fn new_producer(&self, transactional_id: Option<String>) -> FutureProducer {
        let mut config = self.client();
        config.set("acks", "all").set("enable.idempotence", "true").set("partitioner", "murmur2_random");
        config.set("message.timeout.ms", "30000").set("message.max.bytes", "33554432").set("linger.ms", "1");
        if let Some(id) = transactional_id {
            config.set("transactional.id", id);
        }
        config.create().expect("a valid client")
    }
}

async fn send(producer: &FutureProducer, topic: &str, records: impl IntoIterator<Item = Record>) -> Vec<(i32, i64)> {
    let mut records = records.into_iter().peekable();
    let mut positions = Vec::new();
    while records.peek().is_some() {
        let sent: Vec<_> = records.by_ref().take(BATCH).map(|record| enqueue(producer, topic, &record)).collect();
        for delivery in sent {
            let delivery = delivery.await.expect("the producer lives").unwrap_or_else(|(error, _)| panic!("{error}"));
            positions.push((delivery.partition, delivery.offset));
        }
    }
    positions
}

fn enqueue(producer: &FutureProducer, topic: &str, record: &Record) -> rdkafka::producer::DeliveryFuture {
    let mut message: FutureRecord<[u8], [u8]> = FutureRecord::to(topic);
    message.partition = record.partition;
    message.key = record.key.as_deref();
    message.payload = record.value.as_deref();
    message.timestamp = record.timestamp;
    message.headers =
        Some(record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_deref() })
        }));
    producer.send_result(message).unwrap_or_else(|(error, _)| panic!("{error}"))
}

/// Runs a blocking call on a thread for blocking calls.
async fn blocking(
    producer: FutureProducer,
    call: impl FnOnce(&FutureProducer) -> Result<(), KafkaError> + Send + 'static,
) -> FutureProducer {
    let done = tokio::task::spawn_blocking(move || {
        call(&producer).expect("the broker answers");
        producer
    });
    done.await.expect("the transaction goes on")
}

fn read_all(client: &BaseConsumer, topic: &str) -> Vec<OwnedRecord> {
    let ends = watermarks(client, topic);
    let mut wanted = TopicPartitionList::new();
    let mut unfinished = BTreeSet::new();
    for (partition, (low, high)) in (0..).zip(&ends) {
        if low < high {
            wanted.add_partition_offset(topic, partition, Offset::Offset(*low)).expect("a valid offset");
            unfinished.insert(partition);
        }
    }
    client.assign(&wanted).expect("the topic can be read");

    let mut records = Vec::new();
    let started = Instant::now();
    while !unfinished.is_empty() {
        assert!(started.elapsed() < TIMEOUT, "{topic} could not be read to its end in {TIMEOUT:?}");
        match client.poll(TIMEOUT) {
            None => {}
            // The last offset may be a control record or a compaction gap: then only this event marks the end.
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(unfinished.remove(&partition)),
            Some(Err(error)) => panic!("{topic} cannot be read: {error}"),
            Some(Ok(message)) => {
                let (_, end) = ends[usize::try_from(message.partition()).expect("not negative")];
                if message.offset() < end {
                    records.push(OwnedRecord::from(&message));
                }
                if message.offset() >= end - 1 {
                    unfinished.remove(&message.partition());
                }
            }
        }
    }
    records.sort_by_key(|record: &OwnedRecord| (record.partition, record.offset));
    records
}

impl From<&BorrowedMessage<'_>> for OwnedRecord {
    fn from(message: &BorrowedMessage<'_>) -> Self {
        let own = |(name, value): (&CStr, Option<&[u8]>)| (name.to_string_lossy().into(), value.map(<[u8]>::to_vec));
        let headers = message.headers().map(|headers| ffi::headers(headers).map(own).collect());
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            timestamp: message.timestamp().to_millis(),
        }
    }
}
