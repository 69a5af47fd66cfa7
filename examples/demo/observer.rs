//! Consumes the service's output: segment-changed and the dead letters.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use segmenter::ingest::dead_letter::REASON;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::stage::{ANSWER, OUTPUT_PARTITIONS};

/// The header of a dead letter that explains its reason.
const DETAIL: &str = "__connect.errors.exception.message";

/// Counts of the records read.
#[derive(Debug, Default)]
pub struct Observed {
    /// Records on segment-changed.
    pub changes: u64,
    /// First rankings of a traveller.
    pub first: u64,
    /// Rankings with another primary segment than before.
    pub primary_changed: u64,
    /// Other changes of a ranking.
    pub ranking_changed: u64,
    /// Tombstones of erased travellers.
    pub erased: u64,
    /// The last change of the travellers with a story.
    pub followed: HashMap<String, Value>,
    pub dead_letters: u64,
    /// By reason and detail.
    pub rejections: BTreeMap<(String, String), u64>,
}

/// Reads both topics from their beginnings.
pub struct Observer {
    consumer: StreamConsumer,
    segment_changed: String,
    dead_letter: String,
    /// The travellers whose changes are kept.
    follow: Vec<String>,
}

impl Observer {
    /// # Errors
    /// A client could not be made.
    pub fn new(
        mut client: ClientConfig,
        segment_changed: &str,
        dead_letter: &str,
        follow: Vec<String>,
    ) -> anyhow::Result<Self> {
        client.set("group.id", "demo").set("enable.auto.commit", "false").set("fetch.wait.max.ms", "10");
        let consumer: StreamConsumer = client.create().context("could not make the observer's Kafka client")?;
        let mut list = TopicPartitionList::new();
        for topic in [segment_changed, dead_letter] {
            for partition in 0..OUTPUT_PARTITIONS {
                list.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&list)?;
        Ok(Self { consumer, segment_changed: segment_changed.to_owned(), dead_letter: dead_letter.to_owned(), follow })
    }

    /// Reads until `settled`, and from then on to the ends that the topics have at that time.
    ///
    /// # Errors
    /// The broker does not return the ends of its topics.
    pub async fn read_until(self, settled: CancellationToken) -> anyhow::Result<Observed> {
        let mut observed = Observed::default();
        let mut all = None;
        while all != Some(observed.changes + observed.dead_letters) {
            tokio::select! {
                // The client recovers from errors itself.
                Ok(message) = self.consumer.recv() => self.note(&mut observed, &message),
                () = settled.cancelled(), if all.is_none() => all = Some(self.written()?),
            }
        }
        Ok(observed)
    }

    /// The number of records on both topics.
    fn written(&self) -> anyhow::Result<u64> {
        let mut written = 0;
        for topic in [&self.segment_changed, &self.dead_letter] {
            for partition in 0..OUTPUT_PARTITIONS {
                let (_, high) = self.consumer.fetch_watermarks(topic, partition, ANSWER)?;
                written += high.unsigned_abs();
            }
        }
        Ok(written)
    }

    fn note(&self, observed: &mut Observed, message: &BorrowedMessage<'_>) {
        if message.topic() == self.dead_letter {
            return note_dead_letter(observed, message);
        }
        observed.changes += 1;
        let Some(value) = message.payload() else {
            observed.erased += 1;
            return;
        };
        let change: Value = serde_json::from_slice(value).unwrap_or_default();
        let before = change.pointer("/payload/previousSegments/0/segment");
        if before.is_none() {
            observed.first += 1;
        } else if before != change.pointer("/payload/newSegments/0/segment") {
            observed.primary_changed += 1;
        } else {
            observed.ranking_changed += 1;
        }
        let user = change.pointer("/payload/userId").and_then(Value::as_str);
        if let Some(user) = self.follow.iter().find(|followed| Some(followed.as_str()) == user) {
            observed.followed.insert(user.clone(), change);
        }
    }
}

fn note_dead_letter(observed: &mut Observed, message: &BorrowedMessage<'_>) {
    let header = |wanted: &str| {
        let found = message.headers()?.iter().find(|header| header.key == wanted)?;
        Some(String::from_utf8_lossy(found.value?).into_owned())
    };
    observed.dead_letters += 1;
    let reason = (header(REASON).unwrap_or_default(), header(DETAIL).unwrap_or_default());
    *observed.rejections.entry(reason).or_default() += 1;
}
