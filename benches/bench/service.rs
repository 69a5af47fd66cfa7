//! A program as a process, and its cost of processing a backlog.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::backlog::Backlog;
use crate::processes;
use crate::support::{Database, Segmenter, eventually, http, http_get};
use crate::world::{World, Written, settle};

/// The interval of reading the process's figures: short enough for its memory, long enough not to add to its work.
const INTERVAL: Duration = Duration::from_millis(200);
/// The interval while the first or the last records are processed.
const SHORT_INTERVAL: Duration = Duration::from_millis(10);
/// The deadline of a backlog.
const BACKLOG_DEADLINE: Duration = Duration::from_secs(1800);
/// The share of the backlog after which the process counts as warm.
const WARM: f64 = 0.1;
/// The default HTTP address of a program.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The cost of a backlog.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub events_per_second: f64,
    /// Rows of `user_vectors` that were inserted or updated.
    pub rows_per_second: f64,
    /// Records on segment-changed per event.
    pub changes_per_event: f64,
    /// CPU per event, µs.
    pub own_cpu: f64,
    pub postgres_cpu: f64,
    pub kafka_cpu: f64,
    pub wal_bytes_per_event: f64,
    pub full_pages_per_event: f64,
    /// Resident memory, MiB: the peak, and the least and the most once warm.
    pub peak_memory: f64,
    pub warm_memory: (f64, f64),
}

impl Cost {
    /// CPU per event of all three, µs.
    pub fn whole_cpu(&self) -> f64 {
        self.own_cpu + self.postgres_cpu + self.kafka_cpu
    }

    /// How far the warm process's memory is from the middle of its range, at most, %.
    pub fn memory_swing(&self) -> f64 {
        let (least, most) = self.warm_memory;
        100.0 * (most - least) / (most + least)
    }
}

/// Starts `serve` of a program with only its two addresses set; returns when it serves HTTP.
pub async fn start(program: &Path, world: &World, database: &Database) -> Segmenter {
    let environment = [("KAFKA_BROKERS", world.kafka.brokers()), ("DATABASE_URL", database.url())];
    let service = crate::support::program(program, &["serve"], &environment, "");
    let answers = || async { http(ADDRESS, "GET", "/metrics", &[]).await.is_ok() };
    eventually(Duration::from_secs(60), "the program to serve HTTP", answers).await;
    service
}

/// Sends SIGTERM and waits for the process to end with exit code 0.
pub async fn stop(mut service: Segmenter) {
    service.terminate();
    let status = service.wait(Duration::from_secs(60)).await;
    assert!(status.success(), "{status}: {}", service.log().join("\n"));
}

/// Waits until no committed change is left unpublished.
pub async fn everything_is_published(database: &Database) {
    let waiting = || async {
        let rows: i64 = sqlx::query_scalar("select count(*) from segmenter.outbox")
            .fetch_one(database.pool())
            .await
            .expect("the outbox can be read");
        rows == 0
    };
    eventually(Duration::from_secs(120), "every change to be published", waiting).await;
}

/// Runs a program until every row of the backlog is written and every change is published; measures from the first record.
pub async fn work_through(program: &Path, world: &World, database: &Database, backlog: &Backlog) -> Cost {
    settle(database).await;
    let before = Written::by(database).await;
    backlog.rewind(&world.kafka);
    let mut service = start(program, world, database).await;
    let total = backlog.records as f64;

    let first = first_records(world, &mut service).await;
    let mut warm: Option<(f64, f64)> = None;
    let mut counts = first.counts;
    while counts.records < total {
        assert!(
            first.at.elapsed() < BACKLOG_DEADLINE,
            "{} of {total} records after {BACKLOG_DEADLINE:?}",
            counts.records
        );
        assert!(service.is_running(), "the service ended: {}", service.log().join("\n"));
        tokio::time::sleep(if total - counts.records < 0.03 * total { SHORT_INTERVAL } else { INTERVAL }).await;
        counts = Counts::now().await;
        if counts.records > WARM * total {
            let resident = memory(&service).resident;
            let (least, most) = warm.unwrap_or((resident, resident));
            warm = Some((least.min(resident), most.max(resident)));
        }
    }
    everything_is_published(database).await;
    let last = Sample::at(world, &service).await;
    let peak_memory = memory(&service).peak;
    assert_eq!(last.counts.dead_letters, 0.0, "no event is refused");
    stop(service).await;

    let written = Written::by(database).await.since(before);
    let seconds = (last.at - first.at).as_secs_f64();
    let events = last.counts.records - first.counts.records;
    let cpu = |of: fn(&Sample) -> f64| 1e6 * (of(&last) - of(&first)) / events;
    Cost {
        events_per_second: events / seconds,
        // Rows are counted from the start of the process; the few before the first sample are not in the time.
        rows_per_second: written.rows * (events / total) / seconds,
        changes_per_event: last.counts.changes / total,
        own_cpu: cpu(|sample| sample.own_cpu),
        postgres_cpu: cpu(|sample| sample.postgres_cpu),
        kafka_cpu: cpu(|sample| sample.kafka_cpu),
        wal_bytes_per_event: written.wal_bytes / total,
        full_pages_per_event: written.full_pages / total,
        peak_memory,
        warm_memory: warm.unwrap_or((peak_memory, peak_memory)),
    }
}

fn memory(service: &Segmenter) -> processes::Memory {
    processes::memory(service.pid()).expect("the process runs")
}

async fn first_records(world: &World, service: &mut Segmenter) -> Sample {
    loop {
        let sample = Sample::at(world, service).await;
        if sample.counts.records > 0.0 {
            return sample;
        }
        assert!(service.is_running(), "the service ended: {}", service.log().join("\n"));
        tokio::time::sleep(SHORT_INTERVAL).await;
    }
}

/// The figures at one moment.
struct Sample {
    at: Instant,
    counts: Counts,
    own_cpu: f64,
    postgres_cpu: f64,
    kafka_cpu: f64,
}

impl Sample {
    async fn at(world: &World, service: &Segmenter) -> Self {
        Self {
            counts: Counts::now().await,
            at: Instant::now(),
            own_cpu: processes::cpu_seconds(service.pid()),
            postgres_cpu: world.postgres_cpu(),
            kafka_cpu: world.kafka_cpu(),
        }
    }
}

/// The process's own counters.
#[derive(Clone, Copy)]
struct Counts {
    /// Records with any outcome.
    records: f64,
    dead_letters: f64,
    changes: f64,
}

impl Counts {
    async fn now() -> Self {
        let page = http_get(ADDRESS, "/metrics").await.body;
        Self {
            records: sum(&page, "segmenter_records_total", ""),
            dead_letters: sum(&page, "segmenter_records_total", "dead_lettered"),
            changes: sum(&page, "segmenter_published_total", "change"),
        }
    }
}

/// The sum of a metric over all labels that contain `label`.
fn sum(page: &str, metric: &str, label: &str) -> f64 {
    page.lines()
        .filter_map(|line| line.strip_prefix(metric)?.rsplit_once(' '))
        .filter(|(labels, _)| labels.contains(label))
        .map(|(_, value)| value.parse::<f64>().expect("a number"))
        .sum()
}
