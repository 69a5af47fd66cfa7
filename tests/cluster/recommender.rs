//! A recommender that reads segment-changed while it is written, and notes when each record came.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::scene::observed;
use crate::support::history::Observation;
use crate::support::{Kafka, OwnedRecord};

/// A consumer on a thread of its own; it ends with this value.
pub struct LiveRecommender {
    records: Arc<Mutex<Vec<(Instant, OwnedRecord)>>>,
    is_over: Arc<AtomicBool>,
    reading: Option<JoinHandle<()>>,
}

impl LiveRecommender {
    /// Reads all of a topic's partitions from this offset on.
    pub fn of(kafka: &Kafka, topic: &str, partitions: i32, from: Offset) -> Self {
        let mut config = kafka.client();
        config.set("group.id", "recommender").set("enable.auto.commit", "false").set("fetch.wait.max.ms", "50");
        let client: BaseConsumer = config.create().expect("a valid client");
        let mut wanted = TopicPartitionList::new();
        (0..partitions).for_each(|partition| {
            wanted.add_partition_offset(topic, partition, from).expect("a valid offset");
        });
        client.assign(&wanted).expect("a topic");
        let (records, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (to, until) = (Arc::clone(&records), Arc::clone(&is_over));
        let reading = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                // Errors of an outage are none: the client reconnects.
                if let Some(Ok(message)) = client.poll(Duration::from_millis(100)) {
                    let record = OwnedRecord::from(&message);
                    to.lock().expect("no thread panics").push((Instant::now(), record));
                }
            }
        });
        Self { records, is_over, reading: Some(reading) }
    }

    /// The number of records so far.
    pub fn count(&self) -> usize {
        self.records.lock().expect("no thread panics").len()
    }

    pub fn observations(&self) -> Vec<Observation> {
        self.records.lock().expect("no thread panics").iter().map(|(_, record)| observed(record)).collect()
    }

    /// By partition, the longest time without a record that began before `until` and ended after `from`.
    pub fn longest_stalls(&self, partitions: i32, from: Instant, until: Instant) -> Vec<Duration> {
        let records = self.records.lock().expect("no thread panics");
        (0..partitions)
            .map(|partition| {
                let of_partition = records.iter().filter(|(_, record)| record.partition == partition);
                let times: Vec<Instant> = of_partition.map(|(at, _)| *at).collect();
                let pairs = times.windows(2).filter(|pair| pair[1] >= from && pair[0] <= until);
                pairs.map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
            })
            .collect()
    }
}

impl Drop for LiveRecommender {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(reading) = self.reading.take() {
            // It cannot fail but by a panic, which the test run shows.
            let _ = reading.join();
        }
    }
}
