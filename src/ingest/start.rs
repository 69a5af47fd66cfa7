//! The offset at which a newly assigned partition starts, and the out-of-range policy for an offset that is gone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{info, warn};

use crate::config::{InitialOffset, OutOfRange};
use crate::kafka::ffi;
use crate::kafka::topic_id::TopicId;
use crate::runtime::stop::StopReason;
use crate::telemetry::metrics::Metrics;

/// Decides start positions.
#[derive(Debug, Clone)]
pub(crate) struct StartPositions {
    pub start: InitialOffset,
    pub out_of_range: OutOfRange,
    pub metrics: Metrics,
}

/// The deadline of one request.
const ANSWER: Duration = Duration::from_secs(10);
/// The number of attempts; all of them together take much less than `max.poll.interval.ms`.
const ATTEMPTS: u32 = 6;

impl StartPositions {
    /// Sets the start offset of each partition of `list`; returns the ids of their topics, by name.
    pub fn position<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        list: &mut TopicPartitionList,
    ) -> Result<HashMap<String, TopicId>, StopReason> {
        let ask = |error| StopReason::Failure(format!("could not find out where to start reading: {error}"));
        // Requested first, so that a topic recreated from here on is detected by its other id.
        let ids = self.topic_ids(consumer, list)?;
        let committed = retry_until_deadline(|| consumer.committed_offsets(list.clone(), ANSWER)).map_err(ask)?;
        let mut without_offset = BTreeMap::<String, Vec<i32>>::new();
        for element in committed.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let offset = match element.offset() {
                Offset::Offset(offset) => {
                    let (low, high) =
                        retry_until_deadline(|| consumer.fetch_watermarks(topic, partition, ANSWER)).map_err(ask)?;
                    match (ffi::committed_under(&committed, topic, partition), ids.get(topic)) {
                        (Some(then), Some(now)) if then != *now => {
                            self.recreated(topic, partition, offset, low, high)?
                        }
                        _ => self.within(topic, partition, offset, low, high)?,
                    }
                }
                _ => {
                    without_offset.entry(topic.to_owned()).or_default().push(partition);
                    match self.start {
                        InitialOffset::Earliest => Offset::Beginning,
                        InitialOffset::Latest => Offset::End,
                    }
                }
            };
            let place =
                |error| StopReason::Failure(format!("could not set the start of {topic} [{partition}]: {error}"));
            list.set_partition_offset(topic, partition, offset).map_err(place)?;
        }
        if !without_offset.is_empty() {
            info!(partitions = ?without_offset, start = ?self.start, "the group has no committed offset for these partitions");
        }
        Ok(ids)
    }

    /// The ids of the topics in the list, by name; topics without an id are absent.
    pub(crate) fn topic_ids<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        list: &TopicPartitionList,
    ) -> Result<HashMap<String, TopicId>, StopReason> {
        let failed = |error| StopReason::Failure(format!("could not read the topic ids: {error}"));
        retry_until_deadline(|| topic_ids(consumer, list)).map_err(failed)
    }

    /// The assigned partitions whose position is out of range; the committed offset counts where nothing has been read yet.
    pub fn out_of_range<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) -> KafkaResult<TopicPartitionList> {
        let assigned = consumer.assignment()?;
        let positions = consumer.position()?;
        let committed = consumer.committed_offsets(assigned.clone(), ANSWER)?;
        let mut out = TopicPartitionList::new();
        for element in assigned.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let place = |list: &TopicPartitionList| match list.find_partition(topic, partition)?.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            let Some(offset) = place(&positions).or_else(|| place(&committed)) else { continue };
            let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWER)?;
            if !(low..=high).contains(&offset) {
                out.add_partition_offset(topic, partition, Offset::Offset(offset))?;
            }
        }
        Ok(out)
    }

    /// Moves each partition of `list`, whose topics were recreated, by the out-of-range policy.
    pub(crate) fn move_to_recreated<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        list: &mut TopicPartitionList,
    ) -> Result<(), StopReason> {
        self.place_each(consumer, list, Self::recreated)
    }

    /// Moves each partition of `list` whose offset is out of range by the out-of-range policy.
    pub(crate) fn move_into_range<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        list: &mut TopicPartitionList,
    ) -> Result<(), StopReason> {
        self.place_each(consumer, list, Self::within)
    }

    fn place_each<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        list: &mut TopicPartitionList,
        place: impl Fn(&Self, &str, i32, i64, i64, i64) -> Result<Offset, StopReason>,
    ) -> Result<(), StopReason> {
        for element in list.clone().elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let Offset::Offset(offset) = element.offset() else { continue };
            let failed =
                |error| StopReason::Failure(format!("could not move into range on {topic} [{partition}]: {error}"));
            let (low, high) =
                retry_until_deadline(|| consumer.fetch_watermarks(topic, partition, ANSWER)).map_err(failed)?;
            let offset = place(self, topic, partition, offset, low, high)?;
            list.set_partition_offset(topic, partition, offset).map_err(failed)?;
        }
        Ok(())
    }

    /// The committed offset if it is in range, else the result of the out-of-range policy.
    pub fn within(&self, topic: &str, partition: i32, offset: i64, low: i64, high: i64) -> Result<Offset, StopReason> {
        if (low..=high).contains(&offset) {
            return Ok(Offset::Offset(offset));
        }
        let lost = if offset < low {
            format!("{} records were deleted before they were read", low - offset)
        } else {
            "the topic was truncated or recreated".to_owned()
        };
        self.by_policy(topic, partition, offset, low, high, &lost)
    }

    /// The result of the out-of-range policy for an offset of a deleted topic, whatever the watermarks of its successor are.
    fn recreated(&self, topic: &str, partition: i32, offset: i64, low: i64, high: i64) -> Result<Offset, StopReason> {
        let lost = "the topic was deleted and created anew";
        self.by_policy(topic, partition, offset, low, high, lost)
    }

    fn by_policy(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        low: i64,
        high: i64,
        lost: &str,
    ) -> Result<Offset, StopReason> {
        self.metrics.offset_out_of_range(self.out_of_range.as_str());
        warn!(topic, partition, offset, low, high, policy = self.out_of_range.as_str(), "offset out of range: {lost}");
        match self.out_of_range {
            OutOfRange::Earliest => Ok(Offset::Offset(low)),
            OutOfRange::Latest => Ok(Offset::Offset(high)),
            OutOfRange::Stop => Err(StopReason::Refused(format!(
                "offset {offset} of {topic} partition {partition} is out of range ({low} to {high}): {lost}. To go on without \
                 it, start once with the out-of-range policy earliest or latest",
            ))),
        }
    }
}

/// The ids of the topics in the list, by name; one request.
pub(crate) fn topic_ids<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> KafkaResult<HashMap<String, TopicId>> {
    let elements = list.elements();
    let mut topics: Vec<&str> = elements.iter().map(|element| element.topic()).collect();
    topics.sort_unstable();
    topics.dedup();
    if topics.is_empty() {
        return Ok(HashMap::new());
    }
    ffi::topic_ids(consumer.client(), &topics, ANSWER)
}

fn retry_until_deadline<T>(mut request: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    let mut attempt = 1;
    loop {
        match request() {
            Err(error) if attempt < ATTEMPTS => {
                warn!(%error, attempt, "could not read offsets or topic ids from the brokers; retrying");
                attempt += 1;
            }
            answer => return answer,
        }
    }
}
