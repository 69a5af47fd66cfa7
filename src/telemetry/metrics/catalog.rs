//! The names, help texts and labels of all metrics, in one table: the process registers it and `docs/metrics.md` shows it.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::labels::REGISTRY_ANSWERS;
use super::{
    DATABASE_ERROR_CLASSES, JOB_KINDS, Metrics, OPEN_JOB_STATES, Published, RebalanceKind, RecordOutcome, SpanOutcome,
    Stage,
};
use crate::config::OutOfRange;
use crate::domain::event::{Reason, Skip};

/// One row of the documentation.
struct Documented {
    name: String,
    kind: &'static str,
    labels: String,
    help: String,
}

/// Registers metrics and collects their documentation.
struct Registrar {
    registry: Registry,
    documented: Vec<Documented>,
}

/// 5 s is the bound of the objective in docs/slo.md.
const DELAYS: [f64; 12] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 300.0, 3600.0, 86_400.0];
const FAST: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
const AGES: [f64; 12] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 600.0, 3600.0, 86_400.0, 604_800.0];
const SIZES: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

impl Registrar {
    fn note<C: Collector + Clone + 'static>(
        &mut self,
        metric: C,
        name: &str,
        kind: &'static str,
        labels: &[&str],
        help: &str,
    ) -> prometheus::Result<C> {
        self.registry.register(Box::new(metric.clone()))?;
        self.documented.push(Documented {
            name: format!("segmenter_{name}"),
            kind,
            labels: labels.join(", "),
            help: help.to_owned(),
        });
        Ok(metric)
    }

    fn counter(&mut self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.note(IntCounter::with_opts(opts(name, help))?, name, "counter", &[], help)
    }

    fn counters(&mut self, name: &str, labels: &[&str], help: &str) -> prometheus::Result<IntCounterVec> {
        self.note(IntCounterVec::new(opts(name, help), labels)?, name, "counter", labels, help)
    }

    fn whole_gauge(&mut self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.note(IntGauge::with_opts(opts(name, help))?, name, "gauge", &[], help)
    }

    fn whole_gauges(&mut self, name: &str, labels: &[&str], help: &str) -> prometheus::Result<IntGaugeVec> {
        self.note(IntGaugeVec::new(opts(name, help), labels)?, name, "gauge", labels, help)
    }

    fn gauge(&mut self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.note(Gauge::with_opts(opts(name, help))?, name, "gauge", &[], help)
    }

    fn gauges(&mut self, name: &str, labels: &[&str], help: &str) -> prometheus::Result<GaugeVec> {
        self.note(GaugeVec::new(opts(name, help), labels)?, name, "gauge", labels, help)
    }

    fn histogram(&mut self, name: &str, buckets: &[f64], help: &str) -> prometheus::Result<Histogram> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.note(Histogram::with_opts(opts)?, name, "histogram", &[], help)
    }

    fn histograms(
        &mut self,
        name: &str,
        labels: &[&str],
        buckets: &[f64],
        help: &str,
    ) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.note(HistogramVec::new(opts, labels)?, name, "histogram", labels, help)
    }
}

impl Registrar {
    /// The metrics of the process itself, under their customary names.
    fn process(&mut self) -> prometheus::Result<()> {
        let collector = ProcessCollector::for_self();
        self.documented.extend(collector.desc().into_iter().map(|desc| Documented {
            name: desc.fq_name.clone(),
            kind: if desc.fq_name.ends_with("_total") { "counter" } else { "gauge" },
            labels: String::new(),
            help: desc.help.trim_end_matches('.').to_owned(),
        }));
        self.registry.register(Box::new(collector))
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("segmenter")
}

impl Metrics {
    /// All metrics, registered with a registry of their own.
    ///
    /// # Errors
    /// A mistake in this file: a name that is not valid or not unique.
    pub fn new() -> prometheus::Result<Self> {
        register().map(|(metrics, _)| metrics)
    }
}

/// The page `docs/metrics.md`.
///
/// # Errors
/// As [`Metrics::new`].
pub fn markdown() -> prometheus::Result<String> {
    let (_, mut documented) = register()?;
    documented.sort_by(|one, other| one.name.cmp(&other.name));
    let mut page = String::from(PREAMBLE);
    for row in documented {
        page.push_str(&format!("| `{}` | {} | {} | {} |\n", row.name, row.kind, row.labels, row.help));
    }
    Ok(page)
}

const PREAMBLE: &str = "\
<!-- Made by `segmenter config docs metrics > docs/metrics.md`; a test keeps it equal to the code. -->

# Metrics

Served at `/metrics` in the text format of Prometheus.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
";

fn register() -> prometheus::Result<(Metrics, Vec<Documented>)> {
    let mut to = Registrar { registry: Registry::new(), documented: Vec::new() };
    let records = to.counters(
        "records_total",
        &["kind", "outcome"],
        "Input records by kind and outcome; a record is counted at each delivery",
    )?;
    let of_kind = |kind| RecordOutcome::ALL.map(|outcome| records.with_label_values(&[kind, outcome.as_str()]));
    let skipped = to.counters("skipped_total", &["reason"], "Records skipped, by reason")?;
    let dead_letters = to.counters("dead_letters_total", &["reason"], "Dead letters acknowledged, by reason")?;
    let database_errors = to.counters("database_errors_total", &["class"], "Database errors by class")?;
    // Every series exists from the start, so that its first increase is seen by `rate`.
    Skip::ALL.iter().for_each(|skip| skipped.with_label_values(&[skip.as_str()]).reset());
    Reason::ALL.iter().for_each(|reason| dead_letters.with_label_values(&[reason.as_str()]).reset());
    DATABASE_ERROR_CLASSES.iter().for_each(|class| database_errors.with_label_values(&[class]).reset());
    let rebalances = to.counters("rebalances_total", &["kind"], "Partitions assigned, revoked or lost")?;
    let published = to.counters(
        "published_total",
        &["kind"],
        "Records published on segment-changed: changes, repeats of newer changes, tombstones",
    )?;
    let commits = to.counters("commits_total", &["result"], "Offset commits")?;
    let offset_out_of_range = to.counters(
        "offset_out_of_range_total",
        &["policy"],
        "Partitions whose offset was out of range, by the policy applied",
    )?;
    let stage_duration = to.histograms(
        "stage_duration_seconds",
        &["stage"],
        &FAST,
        "Duration of a batch's stages: `write`, outages included; within it `connection`, waiting for one, and \
         `transaction`; `publish`",
    )?;
    let jobs = to.whole_gauges(
        "jobs",
        &["kind", "state"],
        "Jobs of all processes that have not ended; interrupted ones wait to be resumed",
    )?;
    let jobs_held = to.whole_gauges(
        "jobs_held",
        &["kind"],
        "Open jobs that wait: paused, for their rate, or because a limit is exceeded",
    )?;
    let job_progress = to.gauges(
        "job_progress_ratio",
        &["kind"],
        "The share of its source that the least advanced open job has processed; 1 where there is none",
    )?;
    for kind in JOB_KINDS {
        OPEN_JOB_STATES.iter().for_each(|state| jobs.with_label_values(&[kind, state]).set(0));
        jobs_held.with_label_values(&[kind]).set(0);
        job_progress.with_label_values(&[kind]).set(1.0);
    }
    let connections =
        to.whole_gauges("database_connections", &["state"], "Open connections of the pool, in use or idle")?;
    let trace_spans = to.counters(
        "trace_spans_total",
        &["outcome"],
        "Spans by outcome: exported, failed (the collector refused them or was unavailable), dropped (the queue was full)",
    )?;
    RebalanceKind::ALL.iter().for_each(|kind| rebalances.with_label_values(&[kind.as_str()]).reset());
    SpanOutcome::ALL.iter().for_each(|outcome| trace_spans.with_label_values(&[outcome.as_str()]).reset());
    ["ok", "failed"].iter().for_each(|result| commits.with_label_values(&[result]).reset());
    OutOfRange::ALL.iter().for_each(|policy| offset_out_of_range.with_label_values(&[policy.as_str()]).reset());
    ["in_use", "idle"].iter().for_each(|state| connections.with_label_values(&[state]).set(0));
    for stage in Stage::ALL {
        stage_duration.with_label_values(&[stage.as_str()]);
    }
    let registry_answers = to.counters(
        "registry_answers_total",
        &["answer"],
        "Answers of the schema registry; `unavailable` counts requests without an answer, or with one that is not the \
         registry's own",
    )?;
    REGISTRY_ANSWERS.iter().for_each(|answer| registry_answers.with_label_values(&[answer]).reset());
    let build = to.whole_gauges(
        "build_info",
        &["version", "commit"],
        "1, with the version and the commit of the program as labels; the commit is `unknown` where the build did not set it",
    )?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION"), env!("SEGMENTER_BUILT_COMMIT")]).set(1);
    let metrics = Metrics {
        records: [of_kind("onboarding_completed"), of_kind("profile_updated")],
        skipped,
        dead_letters,
        registry_answers,
        registry_waiting: to
            .whole_gauge("registry_waiting_records", "Records that wait for their schema from the schema registry")?,
        key_mismatch: to
            .counter("key_mismatch_total", "Accepted records whose key names another user than the payload")?,
        unknown_currency: to.counter(
            "unknown_currency_total",
            "Writes with a budget in a currency the catalog does not list, taken as EUR",
        )?,
        event_ahead_of_clock: to
            .gauge("event_ahead_of_clock_seconds", "How far the last event's time was ahead of this process's clock")?,
        event_age: to.histogram("event_age_seconds", &AGES, "The age of events when they are read")?,
        lag_records: to.whole_gauges("consumer_lag_records", &["topic", "partition"], "Records not read yet")?,
        lag_seconds: to.gauges(
            "consumer_lag_seconds",
            &["topic", "partition"],
            "The age of the last record read while there are records not read yet; 0 at the end",
        )?,
        oldest_unprocessed: to.gauges(
            "oldest_unprocessed_seconds",
            &["topic", "partition"],
            "The age of the oldest unfinished record; the lag in seconds where every record read is finished",
        )?,
        topic_retention: to.gauges(
            "topic_retention_seconds",
            &["topic"],
            "How long an input topic keeps its records; absent where age deletes none, or without DescribeConfigs on the topic",
        )?,
        assigned_partitions: to.whole_gauge("assigned_partitions", "Input partitions assigned to this process")?,
        rebalances,
        batch_records: to.histogram("batch_records", &SIZES, "Events in a batch written in one transaction")?,
        stage_duration,
        jobs,
        jobs_held,
        job_progress,
        connections,
        pool: Arc::default(),
        trace_spans,
        kafka_connects: to.counter(
            "kafka_connects_total",
            "Attempts of the consumer to connect to a broker, repeated ones included",
        )?,
        kafka_disconnects: to
            .counter("kafka_disconnects_total", "Connections to brokers that the consumer has lost")?,
        kafka_request_failures: to.counter(
            "kafka_request_failures_total",
            "Requests of the consumer that failed: not sent, not answered or timed out",
        )?,
        database_errors,
        database_retries: to
            .counter("database_retries_total", "Transactions retried at once after a deadlock or another transient error")?,
        database_conflicts: to
            .counter("database_conflicts_total", "Users folded again after a compare-and-set conflict with another process")?,
        outbox_depth: to.whole_gauge(
            "outbox_depth_rows",
            "Outbox rows of all processes: committed changes that are not published yet",
        )?,
        outbox_oldest: to.gauge("outbox_oldest_age_seconds", "The age of the oldest outbox row")?,
        outbox_taken_over: to
            .counter("outbox_taken_over_total", "Outbox rows taken over because no process held a lease on them")?,
        published: Published::ALL.map(|kind| published.with_label_values(&[kind.as_str()])),
        publish_delay: to.histogram(
            "publish_delay_seconds",
            &DELAYS,
            "From the timestamp of an event's record to the acknowledgement of its change, for each change; those of a batch \
             count from its oldest record, those of a row that was taken over from its commit",
        )?,
        publish_retries: to.counter("publish_retries_total", "Attempts to publish that failed and were retried")?,
        segment_changes: to.counters(
            "segment_changes_total",
            &["from", "to"],
            "Changes committed, by primary segment",
        )?,
        commits,
        in_flight_records: to.whole_gauge("in_flight_records", "Records in flight: polled, and not committable yet")?,
        in_flight_bytes: to.whole_gauge("in_flight_bytes", "Bytes of keys, values and headers of the records in flight")?,
        dead_letters_held: to.whole_gauge("dead_letters_held", "Rejected records held back until their rejection run ends")?,
        paused: to.whole_gauge("paused", "1 while intake is paused by backpressure")?,
        offset_out_of_range,
        undecodable_batches: to.counter(
            "undecodable_batches_total",
            "Batches of input records that the client could not decompress; a batch is counted at each attempt to read it",
        )?,
        position_rewinds: to.counter(
            "position_rewinds_total",
            "Partitions read again from an earlier offset, because the database lost or may have lost what was applied",
        )?,
        stuck_partitions: to.whole_gauges(
            "stuck_partition",
            &["topic", "partition"],
            "1 while an assigned partition is not read: it cannot start, has no leader, or is behind its end and does not move",
        )?,
        registry: to.registry.clone(),
    };
    to.process()?;
    Ok((metrics, to.documented))
}
