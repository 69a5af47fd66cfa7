//! The rebalance callbacks: the group assigns and revokes partitions. They run on the consumer thread, inside `poll`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{debug, info, warn};

use super::start::StartPositions;
use super::worker::LiveAssignment;
use crate::kafka::client::Topics;
use crate::kafka::client_events;
use crate::kafka::partition::Partition;
use crate::kafka::topic_id::{TopicId, TopicIds};
use crate::runtime::fault::fault_point;
use crate::runtime::stop::{Stop, StopReason};
use crate::telemetry::metrics::{Metrics, RebalanceKind};

/// The name under which this client logs.
const CLIENT: &str = "consumer";

/// The callbacks of the live consumer.
pub(crate) struct LiveContext {
    pub topics: Arc<Topics>,
    pub assignment: Arc<LiveAssignment>,
    pub start: StartPositions,
    /// The ids of the input topics.
    pub ids: Arc<TopicIds>,
    /// The deadline of the drain at revocation.
    pub drain: Duration,
    pub metrics: Metrics,
    pub stop: Stop,
    /// Whether the intake is paused; partitions assigned meanwhile start paused.
    pub paused: AtomicBool,
    /// The newest statistics, taken by the consumer loop.
    pub statistics: Mutex<Option<Box<Statistics>>>,
    /// When partitions were last moved into range.
    pub moved_at: Mutex<Option<Instant>>,
}

/// How long after a move the client may still report partitions that were moved with it.
const ECHO: Duration = Duration::from_secs(5);

impl LiveContext {
    /// The statistics that arrived since they were last taken.
    pub(crate) fn take_statistics(&self) -> Option<Box<Statistics>> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The input partitions in a client's list.
    pub(crate) fn partitions_in(&self, list: &TopicPartitionList) -> Vec<Partition> {
        list.elements()
            .iter()
            .filter_map(|element| {
                Some(Partition { kind: self.topics.kind_of(element.topic())?, number: element.partition() })
            })
            .collect()
    }

    /// A client's list of these partitions and offsets, each with its topic's id as metadata.
    pub(crate) fn list_of(&self, offsets: &[(Partition, i64)]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            let topic = self.topics.input(partition.kind);
            list.add_partition_offset(topic, partition.number, Offset::Offset(*offset))?;
            if let (Some(id), Some(mut element)) =
                (self.ids.of(*partition), list.find_partition(topic, partition.number))
            {
                element.set_metadata(id.metadata());
            }
        }
        Ok(list)
    }

    fn assigned(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) {
        let partitions = self.partitions_in(list);
        info!(partitions = describe(&partitions), "partitions assigned");
        self.metrics.rebalance(RebalanceKind::Assigned);
        match self.start.position(consumer, list) {
            Ok(ids) => self.ids.read(&partitions, &self.topics.by_kind(&ids)),
            Err(problem) => {
                self.stop.now(problem);
                return;
            }
        }
        self.assignment.assign(&partitions);
        // Commits of the previous generation may have been dropped without an error; they are sent again.
        self.assignment.commit_failed();
        let result = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
        };
        if let Err(error) = result {
            self.stop.now(StopReason::Failure(format!("could not assign the partitions: {error}")));
        }
        if self.paused.load(Ordering::Relaxed)
            && let Err(error) = consumer.pause(list)
        {
            warn!(%error, "could not pause newly assigned partitions");
        }
    }

    /// Moves partitions whose position is out of range by the out-of-range policy.
    pub(crate) fn reposition(&self, consumer: &BaseConsumer<Self>) -> Result<(), StopReason> {
        let failed = |error| StopReason::Failure(format!("could not reposition partitions out of range: {error}"));
        let mut moved = self.start.out_of_range(consumer).map_err(failed)?;
        if moved.count() == 0 {
            if self.move_if_recreated(consumer)? {
                return Ok(());
            }
            return self.explain_none_out_of_range();
        }
        let partitions = self.partitions_in(&moved);
        // The records in flight are gone from the topic and cannot be delivered again.
        if !self.assignment.wait_until_drained(&partitions, self.drain) {
            warn!(partitions = describe(&partitions), "some records read before the gap missed the drain deadline");
        }
        self.commit_finished(consumer, &partitions);
        let ids = self.start.topic_ids(consumer, &moved)?;
        self.start.move_into_range(consumer, &mut moved)?;
        self.read_from(consumer, &moved, &ids).map_err(failed)
    }

    /// Restarts the partitions of the list at its offsets, as partitions of topics with these ids.
    pub(crate) fn read_from(
        &self,
        consumer: &BaseConsumer<Self>,
        moved: &TopicPartitionList,
        ids: &HashMap<String, TopicId>,
    ) -> KafkaResult<()> {
        let partitions = self.partitions_in(moved);
        self.assignment.give_up(&partitions);
        consumer.incremental_unassign(moved)?;
        self.ids.read(&partitions, &self.topics.by_kind(ids));
        self.assignment.assign(&partitions);
        consumer.incremental_assign(moved)?;
        if self.paused.load(Ordering::Relaxed) {
            consumer.pause(moved)?;
        }
        *self.moved_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    /// The client has stopped fetching a partition without naming it, and by now all positions are in range: a topic was
    /// truncated or recreated and has grown since. Only a restart from the committed offsets is sure to read it.
    fn explain_none_out_of_range(&self) -> Result<(), StopReason> {
        let moved_at = *self.moved_at.lock().unwrap_or_else(PoisonError::into_inner);
        if moved_at.is_some_and(|moved_at| moved_at.elapsed() < ECHO) {
            return Ok(());
        }
        Err(StopReason::Failure(
            "an input topic was truncated or recreated while it was read; a restart reads it from the committed offset, or \
             from its beginning where there is none"
                .to_owned(),
        ))
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
        self.ids.forget(&partitions);
        for partition in &partitions {
            self.metrics.forget_lag(self.topics.input(partition.kind), partition.number);
        }
        let result = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        };
        if let Err(error) = result {
            warn!(%error, "could not unassign the partitions");
        }
    }

    /// Commits the finished records of these partitions and waits for the broker.
    pub(crate) fn commit_finished(&self, consumer: &BaseConsumer<Self>, partitions: &[Partition]) {
        let offsets = self.assignment.take_committable(Some(partitions));
        if offsets.is_empty() {
            return;
        }
        fault_point!("before-offset-commit");
        let committed = self.list_of(&offsets).and_then(|list| consumer.commit(&list, CommitMode::Sync));
        self.metrics.commit(committed.is_ok());
        if let Err(error) = committed {
            // The next owner starts a little earlier and finds the records already applied.
            warn!(%error, "could not commit offsets; their records will be delivered again");
        }
    }
}

impl ClientContext for LiveContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client_events::log_client_line(CLIENT, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client_events::log_client_error(CLIENT, &error, reason);
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

/// Partitions for a log line: `onboarding_completed[0 1 2] profile_updated[0]`.
fn describe(partitions: &[Partition]) -> String {
    use crate::domain::event::Kind;
    let numbers = |kind| {
        let mut numbers: Vec<i32> =
            partitions.iter().filter(|partition| partition.kind == kind).map(|partition| partition.number).collect();
        numbers.sort_unstable();
        numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(" ")
    };
    format!(
        "onboarding-completed[{}] profile-updated[{}]",
        numbers(Kind::OnboardingCompleted),
        numbers(Kind::ProfileUpdated)
    )
}
