//! Where each partition assigned to this process stands, for the status page: known in memory, no peer is asked.

use std::sync::Arc;

use super::rewinds::{Rewind, Rewinds};
use super::stuck::Stuck;
use super::worker::LiveAssignment;
use crate::kafka::client::Topics;
use crate::kafka::topic_id::PresentTopicIds;
use crate::store::positions::PartitionKey;

/// The assigned partitions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Partitions {
    pub(crate) group: Arc<str>,
    pub(crate) topics: Arc<Topics>,
    pub(crate) ids: PresentTopicIds,
    pub(crate) assignment: Arc<LiveAssignment>,
    pub(crate) stuck: Stuck,
    pub(crate) rewinds: Rewinds,
}

/// One of them at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionNow {
    pub topic: String,
    pub partition: i32,
    /// `None` until the brokers have named the topic's id.
    pub key: Option<PartitionKey>,
    /// The offset committed to Kafka last.
    pub committed: Option<i64>,
    /// The partition's end, by the client's last statistics.
    pub end: Option<i64>,
    /// The end of its repair range, while it is in it.
    pub repair_until: Option<i64>,
    /// Why it is not read.
    pub not_read: Option<String>,
    pub last_rewind: Option<Rewind>,
}

impl Partitions {
    /// In the order of topics and numbers.
    pub(crate) fn now(&self) -> Vec<PartitionNow> {
        let mut not_read = self.stuck.reasons();
        let mut now: Vec<PartitionNow> = self
            .assignment
            .stands()
            .into_iter()
            .map(|(partition, stand)| PartitionNow {
                topic: self.topics.input(partition.kind).to_owned(),
                partition: partition.number,
                key: self.ids.of(partition.kind).map(|topic_id| PartitionKey { topic_id, partition: partition.number }),
                committed: stand.and_then(|stand| stand.committed),
                end: stand.and_then(|stand| stand.end),
                repair_until: stand.and_then(|stand| stand.repair_until),
                not_read: not_read.remove(&partition),
                last_rewind: self.rewinds.last(partition),
            })
            .collect();
        now.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
        now
    }
}
