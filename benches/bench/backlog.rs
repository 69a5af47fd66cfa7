//! A backlog: planned events as records of the two input topics, from start offsets to the ends.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use segmenter::domain::event::Kind;

use crate::history::{Planned, user_id};
use crate::support::Kafka;
use crate::wire::{Encoding, Writer};

/// The default names, so that a program needs no setting but its two addresses.
pub const ONBOARDING_COMPLETED: &str = "onboarding-completed";
pub const PROFILE_UPDATED: &str = "profile-updated";
pub const SEGMENT_CHANGED: &str = "segment-changed";
const DEAD_LETTER: &str = "segmenter-dead-letter";
const GROUP: &str = "segmenter";
/// Of each input topic, and of segment-changed.
pub const PARTITIONS: i32 = 8;

/// Creates the four topics.
pub async fn create_topics(kafka: &Kafka) {
    for (topic, partitions) in [
        (ONBOARDING_COMPLETED, PARTITIONS),
        (PROFILE_UPDATED, PARTITIONS),
        (SEGMENT_CHANGED, PARTITIONS),
        (DEAD_LETTER, 1),
    ] {
        kafka.create_topic_named(topic, partitions, &[]).await;
    }
}

/// The topic of events of this kind.
pub fn input(kind: Kind) -> &'static str {
    match kind {
        Kind::OnboardingCompleted => ONBOARDING_COMPLETED,
        Kind::ProfileUpdated => PROFILE_UPDATED,
    }
}

/// Records at the end of the input topics.
pub struct Backlog {
    /// The offset of its first record in each partition.
    starts: TopicPartitionList,
    pub records: u64,
    /// The mean length of a record's value, bytes.
    pub value_bytes: f64,
}

impl Backlog {
    /// Appends the events to the input topics, as the platform's producers would: keyed by the user, gzip-compressed.
    pub async fn produce(kafka: &Kafka, planned: Vec<Planned>, encoding: Encoding) -> Self {
        let starts = ends(kafka).await;
        let records = planned.len() as u64;
        let mut config = kafka.client();
        config.set("acks", "all").set("enable.idempotence", "true").set("partitioner", "murmur2_random");
        config.set("compression.type", "gzip").set("linger.ms", "50").set("queue.buffering.max.kbytes", "262144");
        let bytes = tokio::task::spawn_blocking(move || {
            let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a valid client");
            let writer = Writer::new(encoding);
            let mut bytes = 0;
            for event in &planned {
                let value = writer.value(event);
                bytes += value.len();
                send(&producer, event, &value);
            }
            producer.flush(Duration::from_secs(120)).expect("the broker takes all");
            bytes
        })
        .await
        .expect("producing does not panic");
        let taken = sum(&ends(kafka).await) - sum(&starts);
        assert_eq!(taken, i64::try_from(records).expect("few records"), "the broker has every record");
        Self { starts, records, value_bytes: bytes as f64 / records as f64 }
    }

    /// The offsets from which a consumer reads it.
    pub fn starts(&self) -> &TopicPartitionList {
        &self.starts
    }

    /// Commits its start offsets for the default consumer group, which must have no members.
    pub fn rewind(&self, kafka: &Kafka) {
        let mut config = kafka.client();
        config.set("group.id", GROUP).set("enable.auto.commit", "false");
        let group: BaseConsumer = config.create().expect("a valid client");
        group.commit(&self.starts, CommitMode::Sync).expect("an empty group can be reset");
    }
}

/// The ends of the input topics.
async fn ends(kafka: &Kafka) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for topic in [ONBOARDING_COMPLETED, PROFILE_UPDATED] {
        for (partition, end) in (0..).zip(kafka.end_offsets(topic).await) {
            list.add_partition_offset(topic, partition, Offset::Offset(end)).expect("a valid offset");
        }
    }
    list
}

fn sum(offsets: &TopicPartitionList) -> i64 {
    offsets.elements().iter().filter_map(|element| element.offset().to_raw()).sum()
}

/// Waits while the producer's queue is full.
fn send(producer: &ThreadedProducer<DefaultProducerContext>, event: &Planned, value: &[u8]) {
    let key = user_id(event.user).to_string();
    let mut record = BaseRecord::to(input(event.kind)).key(key.as_bytes()).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                // An error means that the queue is not empty yet, which is not required.
                let _ = producer.flush(Duration::from_millis(20));
            }
            Err((error, _)) => panic!("{error}"),
        }
    }
}
