//! An input topic is deleted and created anew while it is read: positions of the old one are none of the new one's, even
//! where the new one has grown past them.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tracing::warn;

use super::rebalance::LiveContext;
use super::start;
use crate::kafka::partition::Partition;
use crate::runtime::stop::StopReason;

impl LiveContext {
    /// Puts partitions whose topic was recreated where the policy says. Costs nothing until the watch over the topics has
    /// seen another id, which may be older than the one under which a partition is read.
    pub fn follow_recreated(&self, consumer: &BaseConsumer<Self>) -> Result<(), StopReason> {
        if !self.ids.outdated().is_empty() {
            self.look_for_recreated(consumer)?;
        }
        Ok(())
    }

    /// Asks the brokers whether topics of the assigned partitions were recreated; if so, puts their partitions where the
    /// policy says, and says that it did.
    pub fn look_for_recreated(&self, consumer: &BaseConsumer<Self>) -> Result<bool, StopReason> {
        let ids = match start::topic_ids(consumer, &self.list_at_start(&self.assignment.partitions())?) {
            Ok(ids) => ids,
            Err(error) => {
                warn!(%error, "the brokers do not say whether an input topic was recreated");
                return Ok(false);
            }
        };
        self.ids.see(&self.topics.by_kind(&ids));
        let recreated = self.ids.outdated();
        if recreated.is_empty() {
            return Ok(false);
        }
        if !self.assignment.wait_until_drained(&recreated, self.drain) {
            warn!("not all that was read before the topic was recreated could be finished");
        }
        // Under the old id: whoever starts there knows the topic for another.
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

    /// The partitions with the positions up to which they were read.
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
    StopReason::Failure(format!("could not go over to an input topic that was recreated: {error}"))
}
