//! The rebalance callbacks: the group assigns and revokes partitions. They run on the consumer thread, inside `poll`, and ask
//! no peer for anything that could fail an assignment: a partition is read once the starter has found its start.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::assignment::{ConfirmedOffset, Epoch};
use super::position::Started;
use super::positions::Positions;
use super::start::{Request, ToStart};
use super::stuck::Stuck;
use super::worker::LiveAssignment;
use crate::kafka::client::Topics;
use crate::kafka::client_events::ClientEvents;
use crate::kafka::committed;
use crate::kafka::ffi;
use crate::kafka::partition::{Partition, describe};
use crate::runtime::fault::fault_point;
use crate::runtime::stop::{Stop, StopReason};
use crate::telemetry::metrics::{Metrics, RebalanceKind};

/// The deadline of a commit that is waited for.
const LAST_COMMIT: Duration = Duration::from_secs(3);

/// The end of the client's line about brokers before Kafka 4.0 that do not have the group protocol `consumer`. The client reports
/// no error then and looks for another coordinator for ever. The matrix of versions tests it.
const NO_SUCH_PROTOCOL: &str = "ConsumerGroupHeartbeatRequest not supported by broker";

/// The refusal of such brokers.
pub(super) fn protocol_refusal() -> StopReason {
    let why = "the brokers do not have the group protocol `consumer`, which comes with Kafka 4.0: set kafka.group_protocol \
               to classic";
    StopReason::Refused(why.to_owned())
}

/// The callbacks of the live consumer.
pub(crate) struct LiveContext {
    pub topics: Arc<Topics>,
    pub events: ClientEvents,
    pub assignment: Arc<LiveAssignment>,
    pub positions: Positions,
    /// To the starter.
    pub requests: mpsc::UnboundedSender<Request>,
    pub stuck: Stuck,
    /// The deadline of the drain at revocation.
    pub drain: Duration,
    pub metrics: Metrics,
    /// Whether the intake is paused; partitions started meanwhile start paused.
    pub paused: AtomicBool,
    /// Whether the group has ever assigned something: it has the protocol.
    pub joined: AtomicBool,
    /// The newest statistics, taken by the consumer loop.
    pub statistics: Mutex<Option<Box<Statistics>>>,
    pub stop: Stop,
}

impl LiveContext {
    /// The statistics that arrived since they were last taken.
    pub(crate) fn take_statistics(&self) -> Option<Box<Statistics>> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The input partitions in a client's list.
    pub(crate) fn partitions_in(&self, list: &TopicPartitionList) -> Vec<Partition> {
        ffi::places(list)
            .into_iter()
            .filter_map(|(topic, number)| Some(Partition { kind: self.topics.kind_of(topic)?, number }))
            .collect()
    }

    /// A client's list of these partitions.
    pub(crate) fn list_of(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(self.topics.input(partition.kind), partition.number);
        }
        list
    }

    /// Begins to read a partition, unless its epoch is void.
    pub(crate) fn begin_reading(
        &self,
        consumer: &BaseConsumer<Self>,
        partition: Partition,
        epoch: Epoch,
        started: &Started,
    ) {
        if !self.assignment.start(partition, epoch, started) {
            return;
        }
        let begun = || {
            let mut list = TopicPartitionList::new();
            let topic = self.topics.input(partition.kind);
            list.add_partition_offset(topic, partition.number, Offset::Offset(started.at))?;
            consumer.incremental_assign(&list)?;
            // The client keeps a partition's pause while it is not assigned.
            if self.paused.load(Ordering::Relaxed) { consumer.pause(&list) } else { consumer.resume(&list) }
        };
        if let Err(error) = begun() {
            warn!(%error, topic = self.topics.input(partition.kind), partition = partition.number, "could not begin to read; trying again");
            self.read_anew(consumer, &[partition], false);
        }
    }

    /// Stops reading these partitions, which stay assigned, and has their start found anew. Records in flight are void.
    pub(crate) fn read_anew(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition], rewinds: bool) {
        self.stop_reading(consumer, partitions);
        self.request_starts(self.assignment.restart(partitions), rewinds);
    }

    /// [`Self::read_anew`] without a loss: what is in flight is finished and committed first.
    pub(crate) fn drain_and_read_anew(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) {
        if !self.assignment.wait_until_drained(partitions, self.drain) {
            warn!(
                partitions = describe(partitions),
                "some records missed the drain deadline; they are read again, if they still exist"
            );
        }
        self.commit_finished(consumer, partitions);
        self.read_anew(consumer, partitions, false);
    }

    fn request_starts(&self, epochs: Vec<(Partition, Epoch)>, rewinds: bool) {
        for (partition, epoch) in epochs {
            self.stuck.waits(partition, "its start is being looked up");
            // The starter is gone once the process stops.
            let _ = self.requests.send(Request::Start(ToStart { partition, epoch, rewinds }));
        }
    }

    /// Takes partitions out of the client's assignment. Those that were never begun are not in it.
    fn stop_reading(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) {
        let removed = consumer.assignment().and_then(|assigned| {
            let read = self.partitions_in(&assigned);
            let read: Vec<Partition> =
                partitions.iter().filter(|partition| read.contains(partition)).copied().collect();
            if read.is_empty() { Ok(()) } else { consumer.incremental_unassign(&self.list_of(&read)) }
        });
        if let Err(error) = removed {
            warn!(%error, partitions = describe(partitions), "could not stop reading partitions");
        }
    }

    fn assigned(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = self.partitions_in(list);
        info!(partitions = describe(&partitions), "partitions assigned");
        self.metrics.rebalance(RebalanceKind::Assigned);
        self.joined.store(true, Ordering::Relaxed);
        let epochs = self.assignment.assign(&partitions);
        // Commits of the previous generation may have been dropped without an error; they are sent again.
        self.assignment.commit_failed();
        // The client waits for a call. Each partition is added to its assignment once its start is known.
        if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
            warn!(%error, "could not acknowledge the assignment");
        }
        self.request_starts(epochs, false);
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = self.partitions_in(list);
        if consumer.assignment_lost() {
            warn!(partitions = describe(&partitions), "partitions lost: the group went on without this process");
            self.metrics.rebalance(RebalanceKind::Lost);
        } else {
            self.metrics.rebalance(RebalanceKind::Revoked);
            let drained = self.assignment.wait_until_drained(&partitions, self.drain);
            info!(partitions = describe(&partitions), drained, "partitions revoked");
            self.commit_finished(consumer, &partitions);
        }
        self.assignment.give_up(&partitions);
        for partition in &partitions {
            self.stuck.starts(*partition);
            self.metrics.forget_partition(self.topics.input(partition.kind), partition.number);
        }
        self.stop_reading(consumer, &partitions);
        // The client waits for a call, also where none of them was read.
        if let Err(error) = consumer.incremental_unassign(&TopicPartitionList::new()) {
            warn!(%error, "could not acknowledge the revocation");
        }
    }

    /// Has the database confirm the finished records of these partitions, commits what it confirms, and waits for both, each up
    /// to a deadline.
    pub(crate) fn commit_finished(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) {
        // A loss needs nothing here: nothing past it is committed, and the next start reads from the stored position.
        self.positions.write_now(partitions);
        let offsets = self.assignment.take_confirmed(Some(partitions));
        if offsets.is_empty() {
            return;
        }
        fault_point!("before-offset-commit");
        let committed =
            self.list_with_metadata(&offsets).and_then(|list| ffi::commit(consumer.client(), &list, LAST_COMMIT));
        self.metrics.commit(committed.is_ok());
        if let Err(error) = committed {
            // The next owner starts at the stored position, or a little earlier, and finds the records already applied.
            warn!(%error, "could not commit offsets; their records may be delivered again");
        }
    }

    /// Commits confirmed offsets, without waiting for the coordinator.
    pub(crate) fn commit_confirmed(&self, consumer: &BaseConsumer<Self>) {
        let offsets = self.assignment.take_confirmed(None);
        if offsets.is_empty() {
            return;
        }
        fault_point!("before-offset-commit");
        let sent = self.list_with_metadata(&offsets).and_then(|list| consumer.commit(&list, CommitMode::Async));
        if let Err(error) = sent {
            warn!(%error, "could not send offsets to commit; trying again");
            self.assignment.commit_failed();
        }
    }

    fn list_with_metadata(&self, offsets: &[ConfirmedOffset]) -> KafkaResult<TopicPartitionList> {
        let revision = self.positions.store.revisions.highest();
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for ConfirmedOffset { partition, key, offset } in offsets {
            let topic = self.topics.input(partition.kind);
            list.add_partition_offset(topic, partition.number, Offset::Offset(*offset))?;
            if let Some(mut element) = list.find_partition(topic, partition.number) {
                element.set_metadata(committed::metadata(key.topic_id, *offset, revision));
            }
        }
        Ok(list)
    }
}

impl ClientContext for LiveContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.events.generate_oauth_token(None)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if message.ends_with(NO_SUCH_PROTOCOL) && !self.joined.load(Ordering::Relaxed) {
            self.stop.now(protocol_refusal());
        }
        self.events.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        *self.statistics.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(statistics));
    }
}

impl ConsumerContext for LiveContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assigned(consumer, list),
            _ => self.revoked(consumer, list),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        // The broker may reject single partitions of a commit that succeeds as a whole.
        let result = result.and_then(|()| offsets.elements().iter().try_for_each(|element| element.error()));
        self.metrics.commit(result.is_ok());
        match result {
            Ok(()) => debug!("offsets committed"),
            Err(error) => {
                warn!(%error, "could not commit offsets; trying again");
                self.assignment.commit_failed();
            }
        }
    }
}
