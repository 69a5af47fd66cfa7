//! The consumer loop: one thread polls, decodes, charges each record to the offset tracker of its partition and dispatches it
//! to the worker of its user. Under backpressure (database, outbox, registry or dead letters) it pauses its partitions and
//! polls on, so that the group does not revoke them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::{Message, Offset};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::assignment::{Answered, Budget};
use super::dispatcher::Dispatcher;
use super::rebalance::{LiveContext, protocol_refusal};
use super::record::OriginalRecord;
use super::schema_wait::Waiting;
use super::start::{Found, Request};
use super::stuck::Place;
use super::worker::Finisher;
use crate::codec::framed::SCHEMA_HEADER;
use crate::codec::{Limits, RawRecord};
use crate::kafka::client;
use crate::kafka::headers;
use crate::kafka::partition::Partition;
use crate::kafka::topic_id::PresentTopicIds;
use crate::registry::{Registry, decode_with};
use crate::runtime::health::Health;
use crate::runtime::stop::{Stop, StopReason};
use crate::runtime::wall_clock;
use crate::telemetry::metrics::{BrokerTotals, Metrics, PartitionLag};

/// The name of the loop's heartbeat.
pub(crate) const HEARTBEAT: &str = "consumer loop";

const POLL: Duration = Duration::from_millis(100);
/// The interval between two writes of the positions, and so between two commits.
const POSITION_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait for room before pausing: pausing a partition discards its prefetched records.
const SHORT_WAIT: Duration = Duration::from_millis(500);
/// How many records are polled between two checks of the budget.
const RECORDS_BETWEEN_CHECKS: u32 = 16;
/// How long a partition has to be at its end before its rejection run is flushed.
const IDLE_AT_END: Duration = Duration::from_secs(1);
/// The drain deadline of a stop that no signal requested.
const SHORT_DRAIN: Duration = Duration::from_secs(2);

/// The limits of the loop's intake.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    pub budget: Budget,
    pub limits: Limits,
    /// Each is set while the outbox is too deep, or while the schema registry is unavailable.
    pub closed: Vec<Arc<AtomicBool>>,
}

/// The registry, and the queue of records that wait for a schema.
pub struct Schemas {
    pub registry: Registry,
    pub waiting: mpsc::UnboundedSender<Waiting>,
}

/// The consumer loop and its collaborators.
pub(crate) struct LiveConsumer {
    pub consumer: BaseConsumer<LiveContext>,
    pub intake: Intake,
    pub schemas: Option<Schemas>,
    pub dispatcher: Dispatcher,
    pub finisher: Finisher,
    /// From the starter.
    pub found: std::sync::mpsc::Receiver<Found>,
    pub ids: PresentTopicIds,
    pub drain: Duration,
    pub metrics: Metrics,
    pub health: Health,
    pub stop: Stop,
}

/// The loop's state between polls.
struct Memory {
    positions_written_at: Instant,
    until_check: u32,
    /// When a partition last delivered a record, and the record's timestamp.
    delivered: HashMap<Partition, (Instant, Option<i64>)>,
    /// Partitions that are paused alone, since their records wait behind one that cannot be finished.
    full: Vec<Partition>,
}

impl LiveConsumer {
    /// Runs until a stop is requested, then drains, commits and leaves the group.
    pub fn run(self) {
        let topics = Arc::clone(&self.finisher.topics);
        let subscribed = self.consumer.subscribe(&[&topics.onboarding_completed, &topics.profile_updated]);
        if let Err(error) = subscribed {
            self.stop.now(StopReason::Failure(format!("could not subscribe: {error}")));
        }
        let mut memory = Memory {
            positions_written_at: Instant::now(),
            until_check: 0,
            delivered: HashMap::new(),
            full: Vec::new(),
        };
        while !self.stop.is_requested() {
            self.regulate(&mut memory);
            let polled = self.consumer.poll(POLL);
            let now = Instant::now();
            match polled {
                Some(Ok(message)) => self.take(&message, now, &mut memory),
                Some(Err(error)) => self.report(&error),
                None => memory.until_check = 0,
            }
            if now.duration_since(memory.positions_written_at) >= POSITION_INTERVAL {
                memory.positions_written_at = now;
                self.follow_recreated_topics();
                self.consumer.context().positions.begin();
            }
            if let Some(statistics) = self.consumer.context().take_statistics() {
                self.study(&statistics, &mut memory);
            }
        }
        self.finish();
    }

    /// Every few records, and after each empty poll: reports the heartbeat, takes the answers of starter and database, pauses
    /// without room and resumes with it.
    fn regulate(&self, memory: &mut Memory) {
        if memory.until_check > 0 {
            memory.until_check -= 1;
            return;
        }
        memory.until_check = RECORDS_BETWEEN_CHECKS;
        self.health.beat(HEARTBEAT);
        self.found.try_iter().for_each(|found| self.go_on(found));
        if let Some(answered) = self.consumer.context().positions.take_answered() {
            self.follow(&answered);
        }
        let load = self.finisher.assignment.load();
        self.metrics.observe_load(load);
        let paused = self.consumer.context().paused.load(Ordering::Relaxed);
        let room = !self.intake.closed.iter().any(|closed| closed.load(Ordering::Relaxed))
            && self
                .finisher
                .assignment
                .wait_for_room(self.intake.budget, if paused { Duration::ZERO } else { SHORT_WAIT });
        self.pause_full_partitions(&mut memory.full);
        if room == paused {
            self.set_paused(!room, &memory.full);
        }
        if !room || !memory.full.is_empty() {
            // Finished records that wait for a rejection run alone would keep the intake closed.
            self.finisher
                .assignment
                .partitions_held_up_by_runs()
                .into_iter()
                .for_each(|held| self.finisher.flush_run(held));
        }
        if paused {
            memory.until_check = 0;
        }
    }

    /// Pauses each partition in which too many records wait to be committable, and resumes it once half of them are.
    fn pause_full_partitions(&self, full: &mut Vec<Partition>) {
        let assignment = &self.finisher.assignment;
        let context = self.consumer.context();
        let most = self.intake.budget.of_a_partition();
        let (reached, still) = (assignment.partitions_with(most), assignment.partitions_with(most.div_ceil(2)));
        let newly: Vec<Partition> = reached.into_iter().filter(|partition| !full.contains(partition)).collect();
        let freed: Vec<Partition> = full.iter().filter(|partition| !still.contains(partition)).copied().collect();
        if newly.is_empty() && freed.is_empty() {
            return;
        }
        full.retain(|partition| still.contains(partition));
        full.extend(&newly);
        let is_paused = context.paused.load(Ordering::Relaxed);
        let paused = self.consumer.pause(&context.list_of(&newly));
        let resumed = if is_paused { Ok(()) } else { self.consumer.resume(&context.list_of(&freed)) };
        if let Err(error) = paused.and(resumed) {
            warn!(%error, "could not pause or resume single partitions");
        }
        for partition in newly {
            let topic = context.topics.input(partition.kind);
            warn!(
                topic,
                partition = partition.number,
                "a partition is paused: its records wait for one that cannot be finished yet; the others go on"
            );
        }
    }

    fn set_paused(&self, pause: bool, full: &[Partition]) {
        let context = self.consumer.context();
        let result = self.consumer.assignment().and_then(|assigned| {
            if pause {
                return self.consumer.pause(&assigned);
            }
            self.consumer.resume(&assigned)?;
            self.consumer.pause(&context.list_of(full))
        });
        match result {
            Ok(()) => {
                self.consumer.context().paused.store(pause, Ordering::Relaxed);
                self.metrics.paused.set(i64::from(pause));
                if pause {
                    warn!(
                        "intake paused: the in-flight budget or the outbox is full, or the schema registry is unavailable; polling on"
                    );
                } else {
                    info!("intake resumed");
                }
            }
            Err(error) => warn!(%error, pause, "could not pause or resume the partitions"),
        }
    }

    fn take(&self, message: &BorrowedMessage<'_>, now: Instant, memory: &mut Memory) {
        let context = self.consumer.context();
        let topic = message.topic();
        let Some(kind) = context.topics.kind_of(topic) else { return };
        let partition = Partition { kind, number: message.partition() };
        let timestamp = message.timestamp().to_millis();
        memory.delivered.insert(partition, (now, timestamp));
        // Looked up once: for a record without headers the client searches again on every call.
        let headers = message.headers();
        let names = [headers::TRACEPARENT, SCHEMA_HEADER];
        let ([traceparent, schema_header], header_bytes) =
            headers.map_or(([None; 2], 0), |headers| headers::headers_and_size(headers, names));
        let bytes = message.payload_len() + message.key_len() + header_bytes;
        let Some(ticket) = self.finisher.assignment.charge(partition, message.offset(), bytes, timestamp) else {
            return;
        };
        let raw = RawRecord {
            kind,
            topic,
            partition: partition.number,
            offset: message.offset(),
            key: message.key(),
            value: message.payload(),
            timestamp,
            traceparent,
        };
        let registry = self.schemas.as_ref();
        let schema_header = schema_header.filter(|_| registry.is_some());
        let original = || OriginalRecord::new(message, headers, partition);
        match decode_with(registry.map(|schemas| &schemas.registry), &raw, schema_header, &self.intake.limits) {
            Ok(decoded) => self.dispatcher.dispatch(ticket, decoded, original),
            Err(schema) => {
                if let Some(schemas) = registry {
                    // The receiver outlives this loop.
                    let _ = schemas.waiting.send(Waiting { ticket, schema, record: original() });
                }
            }
        }
    }

    /// Carries out an answer of the starter.
    fn go_on(&self, found: Found) {
        let context = self.consumer.context();
        match found {
            Found::Start { partition, epoch, started } => {
                context.begin_reading(&self.consumer, partition, epoch, &started);
            }
            // The client reports no partition. If none is out of range any more, a topic was truncated or recreated and has grown
            // since: only a start of them all is sure to read it.
            Found::OutOfRange(found) => {
                let partitions = if found.is_empty() { self.finisher.assignment.partitions() } else { found };
                context.drain_and_read_anew(&self.consumer, &partitions);
            }
        }
    }

    /// Carries out the database's answer to the positions: commits what is confirmed, and reads lost partitions anew.
    fn follow(&self, answered: &Answered) {
        let context = self.consumer.context();
        if !answered.lost.is_empty() {
            let store = &context.positions.store;
            store.revisions.raise();
            // Sessions that are open may be those of a server that is gone.
            store.pool.renew();
            let lost: Vec<Partition> = answered.lost.iter().map(|(partition, _)| *partition).collect();
            context.read_anew(&self.consumer, &lost, true);
        }
        context.commit_confirmed(&self.consumer);
    }

    /// Reads partitions anew whose topic has been deleted and created anew: positions in the old one do not apply to its
    /// successor, even if that has grown past them.
    fn follow_recreated_topics(&self) {
        let recreated = self.finisher.assignment.of_another_topic(|partition| self.ids.of(partition.kind));
        if !recreated.is_empty() {
            self.consumer.context().drain_and_read_anew(&self.consumer, &recreated);
        }
    }

    /// Has the starter find the partitions that are out of range.
    fn request_range_check(&self) {
        let places = self.consumer.position().map(|list| {
            let kind_of = |topic: &str| self.finisher.topics.kind_of(topic);
            let place = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
                Offset::Offset(offset) => {
                    Some((Partition { kind: kind_of(element.topic())?, number: element.partition() }, offset))
                }
                _ => None,
            };
            list.elements().into_iter().filter_map(place).collect()
        });
        match places {
            // The starter is gone once the process stops.
            Ok(places) => drop(self.consumer.context().requests.send(Request::CheckRange(places))),
            Err(error) => warn!(%error, "could not look up the positions of the partitions"),
        }
    }

    /// Evaluates the client's statistics: lag, partitions whose rejection run is to be flushed, and partitions that are stuck.
    fn study(&self, statistics: &Statistics, memory: &mut Memory) {
        let brokers = statistics.brokers.values();
        self.metrics.observe_brokers(brokers.fold(BrokerTotals::default(), |sum, broker| BrokerTotals {
            connects: sum.connects + broker.connects.map_or(0, i64::unsigned_abs),
            disconnects: sum.disconnects + broker.disconnects.map_or(0, i64::unsigned_abs),
            failures: sum.failures + broker.txerrs + broker.rxerrs + broker.req_timeouts,
        }));
        let assignment = &self.finisher.assignment;
        let with_runs = assignment.partitions_with_runs();
        let is_paused = self.consumer.context().paused.load(Ordering::Relaxed);
        let mut places = Vec::new();
        let now_ms = wall_clock::now().0;
        for partition in assignment.partitions() {
            let topic = self.consumer.context().topics.input(partition.kind);
            let found = statistics.topics.get(topic).and_then(|topic| topic.partitions.get(&partition.number));
            if found.is_none_or(|found| found.leader < 0) {
                places.push((partition, Place::Leaderless));
                continue;
            }
            let Some(found) = found.filter(|found| found.hi_offset >= 0) else { continue };
            let delivered = memory.delivered.get(&partition);
            let end = if found.ls_offset >= 0 { found.ls_offset } else { found.hi_offset };
            assignment.see_end(partition, end);
            let lag = if found.app_offset >= 0 { (end - found.app_offset).max(0) } else { found.consumer_lag.max(0) };
            let at_end = found.next_offset >= end && found.fetchq_cnt == 0;
            if (0..end).contains(&found.next_offset) && !is_paused {
                places.push((partition, Place::Behind { next: found.next_offset, taken: found.app_offset }));
            }
            let age = |timestamp: i64| now_ms.saturating_sub(timestamp).max(0) as f64 / 1000.0;
            let last_read = delivered.and_then(|(_, timestamp)| *timestamp).map_or(0.0, age);
            let behind = if at_end || lag == 0 { 0.0 } else { last_read };
            let lag = if at_end { 0 } else { lag };
            let oldest = assignment.oldest(partition).map_or(behind, age);
            self.metrics.observe_lag(topic, partition.number, PartitionLag { records: lag, seconds: behind, oldest });
            let idle = delivered.is_none_or(|(at, _)| at.elapsed() >= IDLE_AT_END);
            if with_runs.contains(&partition) && at_end && idle {
                self.finisher.flush_run(partition);
            }
        }
        self.consumer.context().stuck.see(&places, Instant::now());
    }

    fn report(&self, error: &KafkaError) {
        let stop = |reason: String| self.stop.now(StopReason::Failure(reason));
        match error {
            KafkaError::MessageConsumptionFatal(code) => {
                let failed = self.consumer.client().fatal_error();
                self.stop.now(fatal(failed.unwrap_or((*code, String::new()))));
            }
            // An offset is out of range.
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => self.request_range_check(),
            // The topic watch reports it with the topic's name.
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic,
            ) => {}
            // The client retries twice a second. The statistics name the partition.
            KafkaError::MessageConsumption(RDKafkaErrorCode::BadCompression | RDKafkaErrorCode::NotImplemented) => {
                self.metrics.undecodable_batches.inc();
            }
            // The client's own log lines name the broker and the cause.
            KafkaError::MessageConsumption(RDKafkaErrorCode::AllBrokersDown) => {}
            KafkaError::MessageConsumption(
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed),
            ) => {
                let topics = &self.finisher.topics;
                stop(format!(
                    "not allowed to read: {code}; grant Read on the topics {} and {} and on the group",
                    topics.onboarding_completed, topics.profile_updated
                ));
            }
            error => warn!(%error, "the Kafka consumer reported an error; it tries again"),
        }
    }

    /// Drains records in flight, commits and leaves the group. Records that miss the deadline are delivered again.
    fn finish(self) {
        let deadline = match self.stop.reason() {
            Some(StopReason::Signal) | None => self.drain,
            Some(_) => SHORT_DRAIN,
        };
        let partitions = self.finisher.assignment.partitions();
        let drained = self.finisher.assignment.wait_until_drained(&partitions, deadline);
        if !drained {
            warn!("some records in flight missed the drain deadline; they will be delivered again");
        }
        self.consumer.context().commit_finished(&self.consumer, &partitions);
        self.finisher.assignment.give_up(&partitions);
        client::close(self.consumer);
        info!(drained, "left the group");
    }
}

/// The end of a client that cannot go on, by its error and the client's words.
fn fatal((code, reason): (RDKafkaErrorCode, String)) -> StopReason {
    match code {
        RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion => protocol_refusal(),
        code => StopReason::Failure(format!("the Kafka consumer failed for good: {code}: {reason}")),
    }
}
