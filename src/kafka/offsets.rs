//! Answers of brokers and coordinator about an input topic and the group that reads it. The calls block.

use std::ops::Range;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use uuid::Uuid;

use super::committed::Committed;
use super::ffi;

/// A topic at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopicNow {
    pub id: Uuid,
    /// The number of its partitions.
    pub partitions: i32,
}

/// A topic's id and partitions.
///
/// # Errors
/// It does not exist or may not be described, or the brokers do not answer.
pub(crate) fn topic<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    name: &str,
    timeout: Duration,
) -> KafkaResult<TopicNow> {
    let ids = ffi::topic_ids(client.client(), &[name], timeout)?;
    let metadata = client.fetch_metadata(Some(name), timeout)?;
    let found = metadata.topics().first();
    if let Some(error) = found.and_then(|found| found.error()) {
        return Err(KafkaError::MetadataFetch(error.into()));
    }
    let unknown = || KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
    let (id, found) = ids.get(name).zip(found).ok_or_else(unknown)?;
    Ok(TopicNow { id: *id, partitions: i32::try_from(found.partitions().len()).unwrap_or(i32::MAX) })
}

/// The offsets that the client's group has committed for these partitions of a topic, in their order. `id` is the topic's id; it
/// has to be older than this call, so that a topic that is recreated meanwhile is noticed by its other id.
///
/// # Errors
/// The coordinator does not answer, or refuses the client.
pub(crate) fn committed<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    id: Uuid,
    partitions: Range<i32>,
    timeout: Duration,
) -> KafkaResult<Vec<Option<Committed>>> {
    let mut list = TopicPartitionList::new();
    for partition in partitions.clone() {
        list.add_partition(topic, partition);
    }
    let answer = client.committed_offsets(list, timeout)?;
    partitions.map(|partition| ffi::committed(&answer, topic, partition, id)).collect()
}
