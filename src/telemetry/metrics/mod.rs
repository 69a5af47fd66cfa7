//! The metrics of the process, for Prometheus. `docs/metrics.md` is generated from them.

mod catalog;
mod labels;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};

use crate::domain::event::{Kind, Millis, Reason, Skip};
use crate::domain::ranking_change::{ChangeBody, RankingChange};
use crate::runtime::wall_clock;

pub use catalog::markdown;
pub(crate) use labels::{
    BrokerTotals, DATABASE_ERROR_CLASSES, JOB_KINDS, JobsOfAKind, Load, OPEN_JOB_STATES, PartitionLag,
};
pub use labels::{Published, RebalanceKind, RecordOutcome, SpanOutcome, Stage};

/// Gives how many connections are in use, and how many idle.
struct PoolUsage(Box<dyn Fn() -> (usize, usize) + Send + Sync>);

impl fmt::Debug for PoolUsage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PoolUsage")
    }
}

/// All metrics of the process. Cheap to clone; all clones share the values.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    records: [[IntCounter; RecordOutcome::ALL.len()]; 2],
    skipped: IntCounterVec,
    dead_letters: IntCounterVec,
    registry_answers: IntCounterVec,
    pub registry_waiting: IntGauge,
    pub key_mismatch: IntCounter,
    pub unknown_currency: IntCounter,
    event_ahead_of_clock: Gauge,
    event_age: Histogram,
    lag_records: IntGaugeVec,
    lag_seconds: GaugeVec,
    oldest_unprocessed: GaugeVec,
    topic_retention: GaugeVec,
    kafka_connects: IntCounter,
    kafka_disconnects: IntCounter,
    kafka_request_failures: IntCounter,
    jobs: IntGaugeVec,
    jobs_held: IntGaugeVec,
    job_progress: GaugeVec,
    connections: IntGaugeVec,
    pool: Arc<OnceLock<PoolUsage>>,
    trace_spans: IntCounterVec,
    assigned_partitions: IntGauge,
    rebalances: IntCounterVec,
    pub batch_records: Histogram,
    stage_duration: HistogramVec,
    database_errors: IntCounterVec,
    pub database_retries: IntCounter,
    pub database_conflicts: IntCounter,
    outbox_depth: IntGauge,
    outbox_oldest: Gauge,
    pub outbox_taken_over: IntCounter,
    published: [IntCounter; Published::ALL.len()],
    publish_delay: Histogram,
    pub publish_retries: IntCounter,
    segment_changes: IntCounterVec,
    commits: IntCounterVec,
    in_flight_records: IntGauge,
    in_flight_bytes: IntGauge,
    dead_letters_held: IntGauge,
    pub paused: IntGauge,
    offset_out_of_range: IntCounterVec,
    pub undecodable_batches: IntCounter,
    pub position_rewinds: IntCounter,
    stuck_partitions: IntGaugeVec,
}

impl Metrics {
    pub fn record(&self, kind: Kind, outcome: RecordOutcome) {
        let [onboarding, update] = &self.records;
        let of_kind = match kind {
            Kind::OnboardingCompleted => onboarding,
            Kind::ProfileUpdated => update,
        };
        if let Some(counter) = of_kind.get(outcome as usize) {
            counter.inc();
        }
    }

    /// The number of records of both kinds with this outcome.
    pub fn ended(&self, outcome: RecordOutcome) -> u64 {
        self.records.iter().filter_map(|of_kind| of_kind.get(outcome as usize)).map(IntCounter::get).sum()
    }

    pub fn skip(&self, skip: Skip) {
        self.skipped.with_label_values(&[skip.as_str()]).inc();
    }

    /// Counts an answer of the schema registry; `unavailable` is one of them.
    pub(crate) fn registry_answer(&self, answer: &str) {
        self.registry_answers.with_label_values(&[answer]).inc();
    }

    /// Counts a dead letter that the broker has acknowledged.
    pub fn dead_letter(&self, reason: Reason) {
        self.dead_letters.with_label_values(&[reason.as_str()]).inc();
    }

    /// `age` is the wall clock minus the event's time, in seconds; negative for an event ahead of the clock.
    pub(crate) fn observe_event_time(&self, age: f64) {
        self.event_age.observe(age.max(0.0));
        self.event_ahead_of_clock.set((-age).max(0.0));
    }

    pub(crate) fn observe_lag(&self, topic: &str, partition: i32, lag: PartitionLag) {
        let partition = partition.to_string();
        self.lag_records.with_label_values(&[topic, &partition]).set(lag.records);
        self.lag_seconds.with_label_values(&[topic, &partition]).set(lag.seconds);
        self.oldest_unprocessed.with_label_values(&[topic, &partition]).set(lag.oldest);
    }

    /// Sets how long a topic keeps its records; `None` where age deletes none.
    pub(crate) fn topic_retention(&self, topic: &str, kept: Option<Duration>) {
        match kept {
            Some(kept) => self.topic_retention.with_label_values(&[topic]).set(kept.as_secs_f64()),
            // Without a series there is nothing to remove.
            None => drop(self.topic_retention.remove_label_values(&[topic])),
        }
    }

    /// Sets the consumer's totals, which only grow.
    pub(crate) fn observe_brokers(&self, totals: BrokerTotals) {
        let grow = |counter: &IntCounter, total: u64| counter.inc_by(total.saturating_sub(counter.get()));
        grow(&self.kafka_connects, totals.connects);
        grow(&self.kafka_disconnects, totals.disconnects);
        grow(&self.kafka_request_failures, totals.failures);
    }

    /// Sets the gauges of the open jobs of a kind.
    pub(crate) fn observe_jobs(&self, kind: &str, jobs: &JobsOfAKind) {
        jobs.states.iter().for_each(|(state, count)| self.jobs.with_label_values(&[kind, state]).set(*count));
        self.jobs_held.with_label_values(&[kind]).set(jobs.held);
        self.job_progress.with_label_values(&[kind]).set(jobs.progress);
    }

    /// Sets the pool whose connections are measured: how many are in use, and how many idle.
    pub(crate) fn watch_pool(&self, usage: impl Fn() -> (usize, usize) + Send + Sync + 'static) {
        // There is one pool a process.
        let _ = self.pool.set(PoolUsage(Box::new(usage)));
    }

    pub fn spans(&self, outcome: SpanOutcome, count: u64) {
        self.trace_spans.with_label_values(&[outcome.as_str()]).inc_by(count);
    }

    /// Removes the series of a partition that is no longer assigned.
    pub(crate) fn forget_partition(&self, topic: &str, partition: i32) {
        let partition = partition.to_string();
        // A partition without an observed lag has nothing to remove.
        let _ = self.lag_records.remove_label_values(&[topic, &partition]);
        let _ = self.lag_seconds.remove_label_values(&[topic, &partition]);
        let _ = self.oldest_unprocessed.remove_label_values(&[topic, &partition]);
        let _ = self.stuck_partitions.remove_label_values(&[topic, &partition]);
    }

    pub(crate) fn observe_load(&self, load: Load) {
        self.in_flight_records.set(gauge(load.records));
        self.in_flight_bytes.set(gauge(load.bytes));
        self.dead_letters_held.set(gauge(load.held));
        self.assigned_partitions.set(gauge(load.partitions));
    }

    pub(crate) fn rebalance(&self, kind: RebalanceKind) {
        self.rebalances.with_label_values(&[kind.as_str()]).inc();
    }

    pub(crate) fn observe_stage(&self, stage: Stage, took: Duration) {
        self.stage_duration.with_label_values(&[stage.as_str()]).observe(took.as_secs_f64());
    }

    pub(crate) fn database_error(&self, class: &str) {
        self.database_errors.with_label_values(&[class]).inc();
    }

    pub(crate) fn observe_outbox(&self, rows: i64, oldest: Duration) {
        self.outbox_depth.set(rows);
        self.outbox_oldest.set(oldest.as_secs_f64());
    }

    pub fn published(&self, published: Published) {
        if let Some(counter) = self.published.get(published as usize) {
            counter.inc();
        }
    }

    /// Changes whose oldest record is of this time have been acknowledged now.
    pub(crate) fn observe_publish_delay(&self, since: Millis, changes: u64) {
        let delay = wall_clock::now().0.saturating_sub(since.0).max(0) as f64 / 1000.0;
        (0..changes).for_each(|_| self.publish_delay.observe(delay));
    }

    /// The number of records acknowledged on segment-changed.
    pub(crate) fn published_records(&self) -> u64 {
        self.published.iter().map(IntCounter::get).sum()
    }

    /// Counts a committed change.
    pub(crate) fn segment_change(&self, change: &RankingChange) {
        const NONE: &str = "none";
        let (from, to) = match &change.body {
            ChangeBody::Tombstone { .. } => (NONE, "erased"),
            ChangeBody::Ranking(new) => (
                new.previous.first().map_or(NONE, |scored| &scored.segment),
                new.ranking.first().map_or(NONE, |ranked| &ranked.segment),
            ),
        };
        self.segment_changes.with_label_values(&[from, to]).inc();
    }

    pub fn commit(&self, succeeded: bool) {
        self.commits.with_label_values(&[if succeeded { "ok" } else { "failed" }]).inc();
    }

    pub(crate) fn offset_out_of_range(&self, policy: &str) {
        self.offset_out_of_range.with_label_values(&[policy]).inc();
    }

    /// Whether the partition is not read although it has records or may have.
    pub(crate) fn stuck_partition(&self, topic: &str, partition: i32, is_stuck: bool) {
        self.stuck_partitions.with_label_values(&[topic, &partition.to_string()]).set(i64::from(is_stuck));
    }

    /// The present values.
    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        if let Some(PoolUsage(usage)) = self.pool.get() {
            let (in_use, idle) = usage();
            let states = [("in_use", in_use), ("idle", idle)];
            states.iter().for_each(|(state, count)| self.connections.with_label_values(&[state]).set(gauge(*count)));
        }
        self.registry.gather()
    }

    /// The present values in Prometheus' text format.
    ///
    /// # Errors
    /// An error of the encoder; valid metrics give none.
    pub fn encode(&self) -> prometheus::Result<String> {
        prometheus::TextEncoder::new().encode_to_string(&self.gather())
    }
}

fn gauge(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
