//! The live service put together: consumer thread, workers, dead-letter writer, publisher, and how they stop.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::codec::Limits;
use crate::codec::segment_changed::Encoding;
use crate::config::{InitialOffset, OutOfRange};
use crate::http::status::watch_jobs;
use crate::ingest::assignment::{Assignment, Budget};
use crate::ingest::consumer::{Intake, LiveConsumer, Schemas};
use crate::ingest::dead_letter_writer::DeadLetterWriter;
use crate::ingest::dispatcher::Dispatcher;
use crate::ingest::offset_tracker::FloodLimit;
use crate::ingest::outbox_gate;
use crate::ingest::rebalance::LiveContext;
use crate::ingest::schema_wait::{SchemaWait, Watch};
use crate::ingest::start::StartPositions;
use crate::ingest::worker::{BatchLimits, Finisher, WorkQueues, Worker};
use crate::kafka::client::{Cluster, Topics};
use crate::kafka::client_events::ClientEvents;
use crate::kafka::topic_id::TopicIds;
use crate::kafka::topics;
use crate::kafka::topics::Watched;
use crate::publish::handover::handover;
use crate::publish::publisher::Publisher;
use crate::registry::Registry;
use crate::runtime::health::Health;
use crate::runtime::stop::{Stop, StopReason};
use crate::store::Store;
use crate::store::leased_rows::LeasedRows;
use crate::store::writer::Writer;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// What the live service needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub cluster: Cluster,
    pub topics: Topics,
    pub group: String,
    pub session_timeout: Duration,
    pub max_poll_interval: Duration,
    pub start: InitialOffset,
    pub out_of_range: OutOfRange,
    /// How long a revocation or a stop waits for what is on its way.
    pub drain: Duration,
    /// How many batches are written at the same time.
    pub workers: usize,
    pub batch: BatchLimits,
    pub budget: Budget,
    pub limits: Limits,
    pub flood: FloodLimit,
    /// How segment-changed is written.
    pub output_encoding: Encoding,
    /// Where schemas are asked for that records only name.
    pub registry: Option<Registry>,
    /// Outbox rows from which on intake pauses.
    pub max_outbox_rows: i64,
}

/// What the service shares with those who watch it.
#[derive(Debug, Clone)]
pub struct Shared {
    pub metrics: Metrics,
    pub health: Health,
    pub stop: Stop,
    pub traces: Traces,
}

/// How long publisher and dead-letter writer may go on after the consumer has left.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Runs until a stop is requested and everything has ended; gives the reason.
///
/// # Errors
/// A client could not be made from its configuration.
pub async fn run(settings: Settings, store: Store, shared: Shared) -> anyhow::Result<StopReason> {
    let Shared { metrics, health, stop, traces } = shared.clone();
    health.expect(&[topics::COMPONENT, outbox_gate::COMPONENT]);
    let topics = Arc::new(settings.topics.clone());
    let reported = ClientEvents::new("publisher");
    let publisher_producer =
        settings.cluster.producer(reported.clone()).context("could not make the publisher's Kafka client")?;
    let dead =
        settings.cluster.named_producer("dead letters").context("could not make the dead letters' Kafka client")?;
    let assignment = Arc::new(Assignment::new(settings.flood));
    let outbox_full = Arc::new(AtomicBool::new(false));

    let (handover, handed_over) = handover();
    let (dead_letters, rejected) = mpsc::unbounded_channel();
    let finisher = Finisher {
        assignment: Arc::clone(&assignment),
        dead_letters,
        metrics: metrics.clone(),
        stop: stop.clone(),
        topics: Arc::clone(&topics),
    };
    let leased = LeasedRows::default();
    let writer = Writer {
        store: store.clone(),
        leased: leased.clone(),
        metrics: metrics.clone(),
        health: health.clone(),
        stop: stop.clone(),
    };
    let (queues, receivers) = WorkQueues::new(settings.workers);
    let dispatcher = Dispatcher { queues, finisher: finisher.clone(), metrics: metrics.clone() };
    let mut parts = JoinSet::new();
    let mut closed = vec![Arc::clone(&outbox_full)];
    let schemas = settings.registry.clone().map(|registry| {
        let (waiting, arrivals) = mpsc::unbounded_channel();
        let unavailable = Arc::new(AtomicBool::new(false));
        closed.push(Arc::clone(&unavailable));
        let wait = SchemaWait {
            registry: registry.clone(),
            limits: settings.limits,
            dispatcher: dispatcher.clone(),
            watch: Watch { unavailable, metrics: metrics.clone(), health: health.clone() },
        };
        parts.spawn(wait.run(arrivals));
        Schemas { registry, waiting }
    });
    let ids = Arc::new(TopicIds::default());
    let consumer = LiveConsumer {
        consumer: consumer(&settings, &topics, &ids, &assignment, &shared)?,
        intake: Intake { budget: settings.budget, limits: settings.limits, closed },
        schemas,
        dispatcher,
        finisher: finisher.clone(),
        drain: settings.drain,
        metrics: metrics.clone(),
        health: health.clone(),
        stop: stop.clone(),
    };

    let mut watchers = JoinSet::new();
    let watched = Watched { topics: Arc::clone(&topics), ids };
    watchers.spawn(topics::watch(publisher_producer.clone(), reported, watched, health.clone(), stop.clone()));
    let gate = outbox_gate::Gate { max_rows: settings.max_outbox_rows, full: outbox_full };
    watchers.spawn(gate.watch(store.pool.clone(), metrics.clone(), health.clone()));
    watchers.spawn(watch_jobs(store.pool.clone(), metrics.clone()));

    for queue in receivers {
        let worker = Worker {
            queue,
            limits: settings.batch,
            writer: writer.clone(),
            handover: handover.clone(),
            finisher: finisher.clone(),
            traces: traces.clone(),
        };
        parts.spawn(worker.run());
    }
    drop((handover, finisher));
    let dead_letter_writer = DeadLetterWriter {
        producer: dead,
        topics: Arc::clone(&topics),
        assignment,
        metrics: metrics.clone(),
        health: health.clone(),
        stop: stop.clone(),
    };
    parts.spawn(dead_letter_writer.run(rejected));
    let publisher = Publisher {
        store,
        producer: publisher_producer,
        topic: settings.topics.segment_changed.clone(),
        encoding: settings.output_encoding,
        leased,
        metrics,
        stop: stop.clone(),
        traces,
    };
    parts.spawn(publisher.run(handed_over));

    let reading = std::thread::Builder::new()
        .name("consumer".to_owned())
        .spawn(move || consumer.run())
        .context("could not start the consumer thread")?;
    end(reading, parts, &stop).await;
    Ok(stop.reason().cloned().unwrap_or(StopReason::Signal))
}

fn consumer(
    settings: &Settings,
    topics: &Arc<Topics>,
    ids: &Arc<TopicIds>,
    assignment: &Arc<crate::ingest::worker::LiveAssignment>,
    shared: &Shared,
) -> anyhow::Result<BaseConsumer<LiveContext>> {
    let context = LiveContext {
        topics: Arc::clone(topics),
        assignment: Arc::clone(assignment),
        start: StartPositions {
            start: settings.start,
            out_of_range: settings.out_of_range,
            metrics: shared.metrics.clone(),
        },
        ids: Arc::clone(ids),
        drain: settings.drain,
        metrics: shared.metrics.clone(),
        stop: shared.stop.clone(),
        paused: AtomicBool::new(false),
        statistics: Mutex::new(None),
        moved_at: Mutex::new(None),
    };
    let config = settings.cluster.consumer(&settings.group, settings.session_timeout, settings.max_poll_interval);
    BaseConsumer::from_config_and_context(&config, context).context("could not make the consumer's Kafka client")
}

/// Waits for the consumer thread, which drains and leaves the group, then for those who have something left to publish.
async fn end(reading: std::thread::JoinHandle<()>, mut parts: JoinSet<()>, stop: &Stop) {
    let mut left = tokio::task::spawn_blocking(move || reading.join());
    let joined = loop {
        tokio::select! {
            joined = &mut left => break joined,
            // While the consumer reads, nobody else has a reason to end; a panic is one.
            Some(ended) = parts.join_next() => if !stop.is_requested() {
                let how = ended.err().map(|error| error.to_string()).unwrap_or_default();
                stop.now(StopReason::Failure(format!("a part of the service ended unexpectedly: {how}")));
            },
        }
    };
    if !matches!(joined, Ok(Ok(()))) {
        stop.now(StopReason::Failure("the consumer thread ended by a panic".to_owned()));
    }
    // With the consumer the queues are closed: the workers end, then the channels behind them.
    let finished = tokio::time::timeout(LAST_WORDS, async { while parts.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        warn!("not everything could be published in time; it is in the outbox and will be published after a restart");
        stop.abandon();
        while parts.join_next().await.is_some() {}
    }
    stop.abandon();
    info!("stopped");
}
