//! Topics of one test: creation, deletion, watermarks, committed offsets.

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::Kafka;
use super::kafka::{TIMEOUT, is_before};
use super::wait::{eventually, eventually_blocking};

impl Kafka {
    /// Creates a topic with a unique name that begins with `prefix`; returns the name once every partition has a leader.
    pub async fn create_topic(&self, prefix: &str, partitions: i32, config: &[(&str, &str)]) -> String {
        let name = format!("{prefix}-{}", uuid::Uuid::new_v4().simple());
        self.create_topic_named(&name, partitions, config).await;
        name
    }

    /// [`Self::create_topic`] with a given name, for a dedicated broker.
    pub async fn create_topic_named(&self, name: &str, partitions: i32, config: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(self.replicas));
        for (key, value) in config {
            topic = topic.set(present_name(key), value);
        }
        let created = self.admin().create_topics([&topic], &AdminOptions::new()).await.expect("the broker answers");
        created.into_iter().for_each(|result| drop(result.expect("a topic can be created")));
        self.wait_for_partitions(name, partitions).await;
    }

    /// Deletes the topic; returns once the broker reports it as unknown.
    pub async fn delete_topic(&self, topic: &str) {
        let deleted = self.admin().delete_topics(&[topic], &AdminOptions::new()).await.expect("the broker answers");
        deleted.into_iter().for_each(|result| drop(result.expect("a topic can be deleted")));
        eventually(TIMEOUT, "the topic to be gone", || async { self.partitions(topic).await == 0 }).await;
    }

    /// Raises the number of partitions to `total`; returns once all have a leader.
    pub async fn add_partitions(&self, topic: &str, total: i32) {
        let new = NewPartitions::new(topic, usize::try_from(total).expect("not negative"));
        let added = self.admin().create_partitions([&new], &AdminOptions::new()).await.expect("the broker answers");
        added.into_iter().for_each(|result| drop(result.expect("partitions can be added")));
        self.wait_for_partitions(topic, total).await;
    }

    /// Deletes the records before `offset`, as retention does.
    pub async fn delete_records_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a valid offset");
        self.admin().delete_records(&offsets, &AdminOptions::new()).await.expect("records can be deleted");
    }

    /// The number of partitions with a leader; 0 if the topic does not exist.
    pub async fn partitions(&self, topic: &str) -> i32 {
        let topic = topic.to_owned();
        self.ask("segmenter-tests", move |client| led_partitions(client, &topic)).await
    }

    /// The low watermark of each partition.
    pub async fn start_offsets(&self, topic: &str) -> Vec<i64> {
        self.watermarks(topic).await.into_iter().map(|(low, _)| low).collect()
    }

    /// The high watermark of each partition.
    pub async fn end_offsets(&self, topic: &str) -> Vec<i64> {
        self.watermarks(topic).await.into_iter().map(|(_, high)| high).collect()
    }

    /// The committed offset of `group` for each partition; `None` where there is none.
    pub async fn committed(&self, group: &str, topic: &str) -> Vec<Option<i64>> {
        let topic = topic.to_owned();
        self.ask(group, move |client| {
            let mut wanted = TopicPartitionList::new();
            wanted.add_partition_range(&topic, 0, led_partitions(client, &topic) - 1);
            let committed = retry_until_deadline(|| client.committed_offsets(wanted.clone(), TIMEOUT).ok());
            let mut elements = committed.elements();
            elements.sort_by_key(|element| element.partition());
            elements.iter().map(|element| element.offset().to_raw().filter(|offset| *offset >= 0)).collect()
        })
        .await
    }

    async fn watermarks(&self, topic: &str) -> Vec<(i64, i64)> {
        let topic = topic.to_owned();
        self.ask("segmenter-tests", move |client| watermarks(client, &topic)).await
    }

    pub(super) async fn wait_for_partitions(&self, topic: &str, partitions: i32) {
        let what = format!("the broker to lead the {partitions} partitions of {topic}");
        eventually(TIMEOUT, &what, || async { self.partitions(topic).await == partitions }).await;
    }

    /// Calls `question` with a client that has the id of `group` but never joins it, on a thread for blocking calls.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        group: &str,
        question: impl FnOnce(&BaseConsumer) -> T + Send + 'static,
    ) -> T {
        let mut config = self.client();
        config.set("group.id", group).set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        // The end of a partition is reported only when a fetch returns.
        config.set("fetch.wait.max.ms", "20").set("fetch.message.max.bytes", "33554432");
        tokio::task::spawn_blocking(move || question(&config.create().expect("a valid client")))
            .await
            .expect("the broker answers")
    }

    pub(super) fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("a valid client")
    }
}

/// The name of a topic's setting in the version of the broker.
fn present_name(setting: &str) -> &str {
    match setting {
        "message.timestamp.after.max.ms" if is_before([3, 6]) => "message.timestamp.difference.max.ms",
        other => other,
    }
}

/// The low and the high watermark of each partition.
pub(super) fn watermarks(client: &BaseConsumer, topic: &str) -> Vec<(i64, i64)> {
    (0..led_partitions(client, topic))
        .map(|partition| retry_until_deadline(|| client.fetch_watermarks(topic, partition, TIMEOUT).ok()))
        .collect()
}

/// The number of partitions of the topic, once all of them have a leader.
fn led_partitions(client: &BaseConsumer, topic: &str) -> i32 {
    let led = retry_until_deadline(|| {
        let metadata = client.fetch_metadata(Some(topic), TIMEOUT).ok()?;
        let partitions: Vec<_> = metadata
            .topics()
            .iter()
            .filter(|found| found.name() == topic)
            .flat_map(|found| found.partitions())
            .collect();
        let all_led = partitions.iter().all(|partition| partition.error().is_none() && partition.leader() >= 0);
        all_led.then_some(partitions.len())
    });
    i32::try_from(led).expect("few partitions")
}

/// Repeats a request until it succeeds: a broker that has just started does not serve every request yet.
fn retry_until_deadline<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let mut answer = None;
    eventually_blocking(TIMEOUT, "the broker to answer", || {
        answer = ask();
        answer.is_some()
    });
    answer.expect("it was waited for")
}
