//! The live service put together along its road: poll, decode, dispatch, fold, write, publish; and its shutdown.

use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::codec::segment_changed::Encoding;
use crate::config::{Config, KafkaConfig};
use crate::http::status::{Board, watch_jobs};
use crate::ingest::assignment::{Assignment, Budget};
use crate::ingest::consumer::{Intake, LiveConsumer, Schemas};
use crate::ingest::dead_letter_writer::DeadLetterWriter;
use crate::ingest::dispatcher::Dispatcher;
use crate::ingest::newest_revision::NewestRevision;
use crate::ingest::offset_tracker::FloodLimit;
use crate::ingest::outbox_gate;
use crate::ingest::partitions::Partitions;
use crate::ingest::positions::Positions;
use crate::ingest::rebalance::LiveContext;
use crate::ingest::rewinds::Rewinds;
use crate::ingest::schema_wait::{SchemaWait, Watch};
use crate::ingest::start::Starter;
use crate::ingest::stuck::Stuck;
use crate::ingest::work_queues::WorkQueues;
use crate::ingest::worker::{BatchLimits, Finisher, Worker};
use crate::jobs::retention;
use crate::kafka::client::{Cluster, Topics};
use crate::kafka::topic_id::PresentTopicIds;
use crate::kafka::topic_reader::Source;
use crate::kafka::topic_settings::watch_retention;
use crate::kafka::topics::{self, Watched};
use crate::output::Output;
use crate::registry::Registry;
use crate::runtime::stop::{Stop, StopReason};
use crate::store::Store;
use crate::telemetry::Shared;

/// How long publisher and dead-letter writer may go on after the drain deadline.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// How long the database may refuse the password: a rotation reaches the database and the file of the secret one after the
/// other. A secret in a variable changes only with the process.
const LONGEST_REFUSAL: Duration = Duration::from_secs(5 * 60);

/// Runs until a stop is requested and everything has ended; gives the reason. Schemas that records only name are asked of
/// `registry`; `board` shows the partitions.
///
/// # Errors
/// A client cannot be made from its configuration.
pub async fn run(
    config: &Config,
    encoding: Encoding,
    registry: Option<Registry>,
    store: Store,
    shared: Shared,
    board: &Board,
) -> anyhow::Result<StopReason> {
    let Shared { metrics, health, stop, traces } = shared.clone();
    health.expect(&[topics::COMPONENT, outbox_gate::COMPONENT]);
    let cluster = Cluster::from(&config.kafka);
    let topics = Arc::new(Topics::from(&config.topics));
    let limits = config.limits.of_a_record();

    // Write and publish, and dead letters.
    let events = cluster.events("publisher");
    let Output { writer, handover, publisher, handed_over, dead_letters: dead_letter_producer } =
        Output::new(&cluster, &topics, encoding, &store, &shared, events.clone())
            .context("could not make a producer's Kafka client")?;
    let assignment = Arc::new(Assignment::new(FloodLimit::from(&config.limits)));
    let (dead_letters, rejected) = mpsc::unbounded_channel();
    let dead_letter_writer = DeadLetterWriter {
        producer: dead_letter_producer,
        topics: Arc::clone(&topics),
        assignment: Arc::clone(&assignment),
        metrics: metrics.clone(),
        health: health.clone(),
        stop: stop.clone(),
    };

    // Dispatch to the workers, which fold.
    let finisher = Finisher {
        assignment: Arc::clone(&assignment),
        dead_letters,
        metrics: metrics.clone(),
        stop: stop.clone(),
        topics: Arc::clone(&topics),
    };
    let (queues, receivers) = WorkQueues::new(config.database.connections as usize);
    let workers = receivers.into_iter().map(|queue| Worker {
        queue,
        limits: BatchLimits::from(&config.batch),
        writer: writer.clone(),
        handover: handover.clone(),
        finisher: finisher.clone(),
        traces: traces.clone(),
    });
    let workers: Vec<Worker> = workers.collect();
    drop((writer, handover));
    let dispatcher = Dispatcher { queues, finisher: finisher.clone(), metrics: metrics.clone() };

    // Poll and decode. Intake stops while the outbox is too deep or the registry unavailable.
    let outbox_full = Arc::new(AtomicBool::new(false));
    let registry_unavailable = Arc::new(AtomicBool::new(false));
    let (waiting, arrivals) = mpsc::unbounded_channel();
    let schema_wait = registry.clone().map(|registry| SchemaWait {
        registry,
        limits,
        dispatcher: dispatcher.clone(),
        watch: Watch {
            unavailable: Arc::clone(&registry_unavailable),
            metrics: metrics.clone(),
            health: health.clone(),
        },
    });
    // Assigned partitions start one by one; positions go to the database, and then offsets to Kafka.
    let ids = PresentTopicIds::default();
    let stuck = Stuck::new(Arc::clone(&topics), health.clone(), metrics.clone());
    let rewinds = Rewinds::new(metrics.clone());
    board.partitions.get_or_init(|| Partitions {
        group: config.kafka.group_id.as_str().into(),
        topics: Arc::clone(&topics),
        ids: ids.clone(),
        assignment: Arc::clone(&assignment),
        stuck: stuck.clone(),
        rewinds: rewinds.clone(),
    });
    let starter = Starter {
        topics: Arc::clone(&topics),
        cluster: cluster.clone(),
        group: config.kafka.group_id.as_str().to_owned(),
        initial: config.kafka.initial_offset,
        out_of_range: config.kafka.out_of_range,
        store: store.clone(),
        assignment: Arc::clone(&assignment),
        ids: ids.clone(),
        newest_revision: NewestRevision::new(Source {
            cluster: cluster.clone(),
            group: config.kafka.group_id.as_str().to_owned(),
            topic: topics.segment_changed.clone(),
            stop: stop.clone(),
        }),
        stuck: stuck.clone(),
        rewinds: rewinds.clone(),
        metrics: metrics.clone(),
        stop: stop.clone(),
    };
    let positions = Positions::new(&store, config.kafka.group_id.as_str(), &topics, &assignment, &rewinds, &health);
    let (requests, requested) = mpsc::unbounded_channel();
    let (answers, found) = std::sync::mpsc::channel();
    let context = LiveContext {
        topics: Arc::clone(&topics),
        events: cluster.events("consumer"),
        assignment,
        positions,
        requests,
        stuck,
        drain: config.kafka.drain_deadline,
        metrics: metrics.clone(),
        paused: AtomicBool::new(false),
        joined: AtomicBool::new(false),
        statistics: Mutex::new(None),
        stop: stop.clone(),
    };
    let consumer = LiveConsumer {
        consumer: consumer(&config.kafka, &cluster, context)?,
        intake: Intake {
            budget: Budget::from(&config.in_flight),
            limits,
            closed: vec![Arc::clone(&outbox_full), registry_unavailable],
        },
        schemas: registry.map(|registry| Schemas { registry, waiting }),
        dispatcher,
        finisher,
        found,
        ids: ids.clone(),
        drain: config.kafka.drain_deadline,
        metrics: metrics.clone(),
        health: health.clone(),
        stop: stop.clone(),
    };

    let mut watchers = JoinSet::new();
    let mut watch = |work: BoxFuture| watchers.spawn(stop.clone().until_requested(work));
    let watched = Watched { topics, ids };
    let gate = outbox_gate::Gate {
        max_rows: i64::from(config.outbox.max_depth),
        full: outbox_full,
        longest_refusal: LONGEST_REFUSAL,
    };
    watch(Box::pin(watch_retention(cluster, watched.clone(), metrics.clone())));
    watch(Box::pin(topics::watch(publisher.producer.clone(), events, watched, health.clone(), stop.clone())));
    watch(Box::pin(gate.watch(store.pool.clone(), metrics.clone(), health, stop.clone())));
    watch(Box::pin(retention::watch(store.pool.clone(), config.jobs.retention)));
    watch(Box::pin(watch_jobs(store.pool, metrics)));

    // Whatever they wait for, they end when unfinished work is abandoned.
    let mut parts = JoinSet::new();
    let mut part = |work: BoxFuture| parts.spawn(stop.clone().until_abandoned(work));
    part(Box::pin(starter.run(requested, answers)));
    if let Some(schema_wait) = schema_wait {
        part(Box::pin(schema_wait.run(arrivals)));
    }
    for worker in workers {
        part(Box::pin(worker.run()));
    }
    part(Box::pin(publisher.run(handed_over)));
    part(Box::pin(dead_letter_writer.run(rejected)));
    let reading = std::thread::Builder::new()
        .name("consumer".to_owned())
        .spawn(move || consumer.run())
        .context("could not start the consumer thread")?;
    let abandoning = tokio::spawn(abandon(stop.clone(), config.kafka.drain_deadline + LAST_WRITES));
    end(reading, parts, &stop).await;
    abandoning.abort();
    Ok(stop.reason().cloned().unwrap_or(StopReason::Signal))
}

/// A part of the service.
type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

fn consumer(
    config: &KafkaConfig,
    cluster: &Cluster,
    context: LiveContext,
) -> anyhow::Result<BaseConsumer<LiveContext>> {
    BaseConsumer::from_config_and_context(&cluster.consumer(config), context)
        .context("could not make the consumer's Kafka client")
}

/// Has unfinished work abandoned this long after a stop is requested.
async fn abandon(stop: Stop, after: Duration) {
    stop.requested().await;
    tokio::time::sleep(after).await;
    warn!("not everything could be written and published in time; it is done after a restart, or by another process");
    stop.abandon();
}

/// Waits for the consumer thread, which drains and leaves the group, then for those who have something left to publish.
async fn end(reading: std::thread::JoinHandle<()>, mut parts: JoinSet<Option<()>>, stop: &Stop) {
    let mut left = tokio::task::spawn_blocking(move || reading.join());
    let joined = loop {
        tokio::select! {
            joined = &mut left => break joined,
            // While the consumer reads, another part ends only by a panic.
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
    while parts.join_next().await.is_some() {}
    stop.abandon();
    info!("stopped");
}
