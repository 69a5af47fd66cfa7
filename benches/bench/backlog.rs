//! A backlog: planned events as records in two topics.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use segmenter::event::Kind;

use crate::history::{Planned, user_id};
use crate::support::Kafka;
use crate::wire::{Encoding, Writer};

/// Of each input topic, and of segment-changed.
pub const PARTITIONS: i32 = 8;

/// Four topics that no other measurement uses.
pub struct Topics {
    pub onboarding: String,
    pub updates: String,
    pub changes: String,
    pub dead: String,
}

impl Topics {
    pub async fn create(kafka: &Kafka) -> Self {
        Self {
            onboarding: kafka.create_topic("onboarding", PARTITIONS, &[]).await,
            updates: kafka.create_topic("updates", PARTITIONS, &[]).await,
            changes: kafka.create_topic("changes", PARTITIONS, &[]).await,
            dead: kafka.create_topic("dead", 1, &[]).await,
        }
    }

    fn input(&self, kind: Kind) -> &str {
        match kind {
            Kind::OnboardingCompleted => &self.onboarding,
            Kind::ProfileUpdated => &self.updates,
        }
    }
}

/// Topics with records in them.
pub struct Backlog {
    pub topics: Topics,
    pub records: u64,
    /// The mean length of a record's value, bytes.
    pub value_bytes: f64,
}

impl Backlog {
    /// Puts the events into new topics, as the platform's producers would: keyed by the user, gzip-compressed.
    pub async fn produce(kafka: &Kafka, planned: Vec<Planned>, encoding: Encoding) -> Self {
        let topics = Topics::create(kafka).await;
        let records = planned.len() as u64;
        let mut config = kafka.client();
        config.set("acks", "all").set("enable.idempotence", "true").set("partitioner", "murmur2_random");
        config.set("compression.type", "gzip").set("linger.ms", "50").set("queue.buffering.max.kbytes", "262144");
        let (topics, bytes) = tokio::task::spawn_blocking(move || {
            let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a valid client");
            let writer = Writer::new(encoding);
            let mut bytes = 0;
            for event in &planned {
                let value = writer.value(event);
                bytes += value.len();
                send(&producer, topics.input(event.kind), event, &value);
            }
            producer.flush(Duration::from_secs(120)).expect("the broker takes all");
            (topics, bytes)
        })
        .await
        .expect("producing does not panic");
        let onboardings = kafka.end_offsets(&topics.onboarding).await;
        let updates = kafka.end_offsets(&topics.updates).await;
        let taken: i64 = onboardings.into_iter().chain(updates).sum();
        assert_eq!(taken, i64::try_from(records).expect("few records"), "the broker has every record");
        Self { topics, records, value_bytes: bytes as f64 / records as f64 }
    }
}

/// Waits while the producer's queue is full.
fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, event: &Planned, value: &[u8]) {
    let key = user_id(event.user).to_string();
    let mut record = BaseRecord::to(topic).key(key.as_bytes()).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                // An error here is that time ran out before the queue was empty, which is not needed.
                let _ = producer.flush(Duration::from_millis(20));
            }
            Err((error, _)) => panic!("{error}"),
        }
    }
}
