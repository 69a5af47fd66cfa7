//! Makes the snapshot from health, metrics and the database.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::cached::Cached;
use super::findings;
use super::jobs::{self, JobStatus};
use super::pace::{self, Pace, Sample};
use super::partitions::joined;
use super::reading::{PartitionLag, Reading};
use super::recent::{Recent, Seen};
use super::{CatalogStatus, Intake, Lag, Outbox, PartitionStatus, Process, SampledDistribution, Status, Throughput};
use crate::config::ShownSetting;
use crate::ingest::partitions::Partitions;
use crate::runtime::health::Health;
use crate::runtime::stop::Stop;
use crate::store::Store;
use crate::store::distribution::{self, Distribution};
use crate::store::positions_of_groups::{self, ListedPositions};
use crate::telemetry::metrics::{Metrics, RecordOutcome};

/// The deadline of the snapshot's reads from the database.
const READ_DEADLINE: Duration = Duration::from_secs(1);
/// How long a sample of the users is shown.
const FRESH_SAMPLE: Duration = Duration::from_secs(30);
/// How long a reading of the jobs, or of the positions, is shown.
const FRESH: Duration = Duration::from_secs(2);

/// The sources of the snapshot. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Board {
    pub health: Health,
    pub metrics: Metrics,
    /// Set once the database's schema has been checked.
    pub store: Arc<OnceLock<Store>>,
    /// Set once the service reads.
    pub partitions: Arc<OnceLock<Partitions>>,
    sampled: Cached<Distribution>,
    positions: Cached<ListedPositions>,
    jobs: Cached<Vec<JobStatus>>,
    config: Arc<[ShownSetting]>,
    host: Arc<str>,
    started: Instant,
    pace: Arc<Mutex<Pace>>,
    recent: Arc<Mutex<Recent>>,
}

impl Board {
    /// The board of a process that is starting.
    pub fn new(health: Health, metrics: Metrics, config: Vec<ShownSetting>) -> Self {
        Self {
            health,
            metrics,
            store: Arc::default(),
            partitions: Arc::default(),
            sampled: Cached::new("users by segment", FRESH_SAMPLE),
            positions: Cached::new("positions", FRESH),
            jobs: Cached::new("jobs", FRESH),
            config: config.into(),
            host: host().into(),
            started: Instant::now(),
            pace: Arc::default(),
            recent: Arc::default(),
        }
    }

    /// Samples the totals once a second until the process ends, so that a request finds the pace known.
    pub(crate) async fn watch(self, stop: Stop) {
        let mut interval = tokio::time::interval(pace::INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interval.tick() => self.note_totals(),
                () = stop.abandoned() => return,
            }
        }
    }

    fn note_totals(&self) {
        let records = RecordOutcome::ALL.into_iter().map(|outcome| self.metrics.ended(outcome)).sum();
        let at = Instant::now();
        let sample = Sample { at, records, published: self.metrics.published_records() };
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).note(sample);
        let seen = Seen {
            at,
            paused: self.metrics.paused.get() > 0,
            dead_letters: self.metrics.ended(RecordOutcome::DeadLettered),
            rewinds: self.metrics.position_rewinds.get(),
        };
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).note(seen);
    }

    /// The snapshot. Waits for the database a second at most.
    pub async fn status(&self) -> Status {
        let (segments, jobs, stored) = tokio::join!(self.distribution(READ_DEADLINE), self.jobs(), self.stored());
        let read = Reading::new(self.metrics.gather());
        let lag = read.lag();
        let mut status = Status {
            findings: Vec::new(),
            process: self.process(&read),
            health: self.health.report(),
            throughput: self.throughput(&read),
            intake: Intake {
                paused: read.value("segmenter_paused") > 0.0,
                records: read.value("segmenter_in_flight_records"),
                bytes: read.value("segmenter_in_flight_bytes"),
                held: read.value("segmenter_dead_letters_held"),
            },
            lag: Lag {
                assigned_partitions: read.value("segmenter_assigned_partitions"),
                records: lag.iter().map(|partition| partition.records).sum(),
                oldest_seconds: lag.iter().map(|partition| partition.seconds).fold(0.0, f64::max),
            },
            partitions: self.partitions(&lag, stored.as_ref()),
            outbox: Outbox {
                rows: read.value("segmenter_outbox_depth_rows"),
                oldest_seconds: read.value("segmenter_outbox_oldest_age_seconds"),
            },
            dead_letters: read.counts("segmenter_dead_letters_total", "reason"),
            skipped: read.counts("segmenter_skipped_total", "reason"),
            changes: read.changes(),
            catalog: self
                .store
                .get()
                .map(|store| &store.catalog)
                .map(|catalog| CatalogStatus { version: catalog.version(), hash: catalog.hash_hex() }),
            segments,
            jobs,
            config: self.config.to_vec(),
        };
        let ago = self.recent.lock().unwrap_or_else(PoisonError::into_inner).ago(Instant::now());
        status.findings = findings::of(&status, ago);
        status
    }

    /// Users by segment, at most half a minute old where the database answers; `None` where it never has. Waits for a
    /// running reading until `deadline` has passed.
    pub async fn distribution(&self, deadline: Duration) -> Option<SampledDistribution> {
        let pool = self.store.get()?.pool.clone();
        let (age, distribution) = self.sampled.get(deadline, async move { distribution::sampled(&pool).await }).await?;
        Some(SampledDistribution { seconds_ago: age.as_secs(), distribution })
    }

    /// `None` where they could never be read: the database does not answer, or the service's role may not read them.
    async fn jobs(&self) -> Option<Vec<JobStatus>> {
        let pool = self.store.get()?.pool.clone();
        self.jobs.get(READ_DEADLINE, async move { jobs::read(&pool).await }).await.map(|(_, jobs)| jobs)
    }

    /// The rows of the group with their age; `None` where they could never be read.
    async fn stored(&self) -> Option<(Duration, ListedPositions)> {
        let (pool, group) = (self.store.get()?.pool.clone(), Arc::clone(&self.partitions.get()?.group));
        self.positions.get(READ_DEADLINE, async move { positions_of_groups::of_group(&pool, &group).await }).await
    }

    fn partitions(&self, lag: &[PartitionLag], stored: Option<&(Duration, ListedPositions)>) -> Vec<PartitionStatus> {
        let now = self.partitions.get().map(Partitions::now).unwrap_or_default();
        joined(now, lag, stored.map(|(ago, listed)| (*ago, listed)))
    }

    fn process(&self, read: &Reading) -> Process {
        Process {
            version: env!("CARGO_PKG_VERSION"),
            host: self.host.to_string(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            cpu_seconds: read.value("process_cpu_seconds_total"),
            resident_bytes: read.value("process_resident_memory_bytes"),
        }
    }

    fn throughput(&self, read: &Reading) -> Throughput {
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let (records_per_second, published_per_second) = pace.present();
        Throughput {
            records_per_second,
            published_per_second,
            history: pace.history(),
            outcomes: read.counts("segmenter_records_total", "outcome"),
            published: self.metrics.published_records(),
        }
    }
}

/// The name of this host as the kernel has it.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim()).filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned()
}
