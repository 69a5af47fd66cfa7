//! Where the snapshot comes from.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::jobs::SeenJobs;
use super::pace::{self, Pace, Sample};
use super::reading::Reading;
use super::segments::CountedSegments;
use super::{CatalogStatus, Intake, Lag, Outbox, Process, Status, Throughput};
use crate::config::ShownSetting;
use crate::health::Health;
use crate::metrics::{Metrics, RecordOutcome};
use crate::stop::Stop;
use crate::store::Store;

/// How long the snapshot waits for what is read from the database for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// All that is known of the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Board {
    pub health: Health,
    pub metrics: Metrics,
    /// Set once the database has been found in order.
    pub store: Arc<OnceLock<Store>>,
    pub counted: CountedSegments,
    jobs: SeenJobs,
    config: Arc<[ShownSetting]>,
    host: Arc<str>,
    started: Instant,
    pace: Arc<Mutex<Pace>>,
}

impl Board {
    /// The board of a process that is starting.
    pub fn new(health: Health, metrics: Metrics, config: Vec<ShownSetting>) -> Self {
        Self {
            health,
            metrics,
            store: Arc::default(),
            counted: CountedSegments::default(),
            jobs: SeenJobs::default(),
            config: config.into(),
            host: host().into(),
            started: Instant::now(),
            pace: Arc::default(),
        }
    }

    /// Looks at the totals once a second until the process ends, so that the pace is known when somebody asks.
    pub async fn watch(self, stop: Stop) {
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
        let sample = Sample { at: Instant::now(), records, said: self.metrics.said() };
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).note(sample);
    }

    /// The snapshot. Waits for the database a second at most.
    pub async fn status(&self) -> Status {
        let (segments, jobs) = match self.store.get() {
            Some(store) => {
                tokio::join!(self.counted.distribution(store, PATIENCE), self.jobs.newest(store, PATIENCE))
            }
            None => (None, None),
        };
        let read = Reading::new(self.metrics.gather());
        let lag = read.lag();
        Status {
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
                partitions: lag,
            },
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
                .map(|store| CatalogStatus { version: store.catalog.version(), hash: store.catalog.hash_hex() }),
            segments,
            jobs,
            config: self.config.to_vec(),
        }
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
        let (records_per_second, said_per_second) = pace.present();
        Throughput {
            records_per_second,
            said_per_second,
            history: pace.history(),
            outcomes: read.counts("segmenter_records_total", "outcome"),
            said: self.metrics.said(),
        }
    }
}

/// The name of this host as the kernel has it.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
}
