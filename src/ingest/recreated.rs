//! Handles an input topic that is deleted and created anew while it is read: positions in the old topic do not apply to the
//! new one, even if the new one has grown past them.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tracing::warn;

use super::rebalance::LiveContext;
use super::start;
use crate::kafka::partition::Partition;
use crate::runtime::stop::StopReason;

impl LiveContext {
    /// Moves partitions of a recreated topic by the out-of-range policy. Costs nothing until the topic watch has recorded another
    /// id, which may be older than the one that a partition was started with.
    pub(crate) fn follow_recreated(&self, consumer: &BaseConsumer<Self>) -> Result<(), StopReason> {
        if !self.ids.outdated().is_empty() {
            self.move_if_recreated(consumer)?;
        }
        Ok(())
    }

    /// Asks the brokers whether topics of the assigned partitions were recreated; moves their partitions by the out-of-range
    /// policy. Returns whether it moved any.
    pub(crate) fn move_if_recreated(&self, consumer: &BaseConsumer<Self>) -> Result<bool, StopReason> {
        let ids = match start::topic_ids(consumer, &self.list_at_start(&self.assignment.partitions())?) {
            Ok(ids) => ids,
            Err(error) => {
                warn!(%error, "could not ask the brokers whether an input topic was recreated");
                return Ok(false);
            }
        };
        self.ids.see(&self.topics.by_kind(&ids));
        let recreated = self.ids.outdated();
        if recreated.is_empty() {
            return Ok(false);
        }
        if !self.assignment.wait_until_drained(&recreated, self.drain) {
            warn!("some records read before the topic was recreated missed the drain deadline");
        }
        // With the old id, so that a start from this offset detects the recreated topic.
        self.commit_finished(consumer, &recreated);
        let mut moved = self.positions_of(consumer, &recreated)?;
        self.start.move_to_recreated(consumer, &mut moved)?;
        self.read_from(consumer, &moved, &ids).map_err(failed)?;
        Ok(true)
    }

    fn list_at_start(&self, partitions: &[Partition]) -> Result<TopicPartitionList, StopReason> {
        let zeros: Vec<_> = partitions.iter().map(|partition| (*partition, 0)).collect();
        self.list_of(&zeros).map_err(failed)
    }

    /// The partitions with their positions.
    fn positions_of(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &[Partition],
    ) -> Result<TopicPartitionList, StopReason> {
        let mut list = self.list_at_start(partitions)?;
        let positions = consumer.position().map_err(failed)?;
        for element in positions.elements() {
            if let Offset::Offset(offset) = element.offset()
                && list.find_partition(element.topic(), element.partition()).is_some()
            {
                list.set_partition_offset(element.topic(), element.partition(), Offset::Offset(offset))
                    .map_err(failed)?;
            }
        }
        Ok(list)
    }
}

fn failed(error: rdkafka::error::KafkaError) -> StopReason {
    StopReason::Failure(format!("could not switch to an input topic that was recreated: {error}"))
}
