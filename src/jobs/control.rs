//! Renews a job's lease, reads the operator's requests, and decides when the next batch may start. A dry run has limits, and
//! neither lease nor requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use uuid::Uuid;

use super::Means;
use super::pressure::{Cause, LiveLag, Pressure};
use super::snapshot::{Held, JobReport};
use super::throttle::{Pace, Throttle};
use crate::runtime::halt::Halt;
use crate::runtime::stop::Stop;
use crate::runtime::wall_clock;
use crate::store::error::StoreError;
use crate::store::jobs::{self, JobRecord, Requested};
use crate::store::{lookup, outbox};

/// How long a lease on a job lasts unless it is renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// How often the owner renews the lease and reads the requests.
const BEAT: Duration = Duration::from_secs(1);
/// The longest pause before the limits are checked again.
const POLL: Duration = Duration::from_millis(100);

/// The requests and limits as of the last heartbeat.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Orders {
    requested: Requested,
    throttle: Throttle,
    live_lag: Option<u64>,
    /// The limit that is exceeded.
    cause: Option<Cause>,
    /// Another process owns the job.
    lost: bool,
}

/// Whether the job continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The next batch may start.
    Go,
    /// The job was cancelled.
    Cancel,
}

/// The heartbeat on the job's row, and the requests and limits that it reads there.
pub(crate) struct Control {
    orders: watch::Receiver<Orders>,
    report: Arc<Mutex<JobReport>>,
    beating: JoinHandle<()>,
    pace: Mutex<Pace>,
    stop: Stop,
}

impl Control {
    /// Starts the heartbeat.
    ///
    /// # Errors
    /// The client that measures the live group's lag cannot be built from its configuration.
    pub fn start(means: &Means, job: &JobRecord) -> Result<Self, Halt> {
        let throttle = serde_json::from_value(job.throttle.clone()).unwrap_or_default();
        let earlier: JobReport = serde_json::from_value(job.report.clone()).unwrap_or_default();
        let report = JobReport { checkpoint_at: earlier.checkpoint_at, ..JobReport::default() };
        Self::of(means, Some(job.id), job.requested, throttle, report)
    }

    /// Starts to measure what the limits of a dry run are compared with.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn of_dry_run(means: &Means, throttle: Throttle) -> Result<Self, Halt> {
        Self::of(means, None, Requested::Run, throttle, JobReport::default())
    }

    fn of(
        means: &Means,
        id: Option<Uuid>,
        requested: Requested,
        throttle: Throttle,
        report: JobReport,
    ) -> Result<Self, Halt> {
        let output = &means.output;
        let lag = LiveLag::new(&output.cluster, &means.live_group, output.topics.clone())
            .map_err(|error| Halt::Failed(format!("no client to measure the live lag: {error}")))?;
        // Before the first measurement.
        let cause = Pressure::default().against(&throttle);
        let (sender, orders) = watch::channel(Orders { requested, throttle, live_lag: None, cause, lost: false });
        let report = Arc::new(Mutex::new(report));
        let heartbeat =
            Heartbeat { means: means.clone(), id, lag: Arc::new(lag), report: Arc::clone(&report), orders: sender };
        let pace = Mutex::new(Pace::new(Instant::now()));
        Ok(Self { orders, report, beating: tokio::spawn(heartbeat.beat()), pace, stop: means.stop.clone() })
    }

    /// The current limits.
    pub fn throttle(&self) -> Throttle {
        self.orders.borrow().throttle
    }

    /// The current report.
    pub fn report(&self) -> JobReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a new rate into the report; the next heartbeat stores it.
    pub(crate) fn report_rate(&self, rate: f64) {
        self.update_report(|report| report.rate = rate);
    }

    /// Puts the time of a checkpoint that was just written into the report.
    pub(crate) fn report_checkpoint(&self) {
        self.update_report(|report| report.checkpoint_at = Some(wall_clock::now().to_string()));
    }

    /// Waits until a batch of so many items may start; calls `shown` when the reason for waiting changes.
    ///
    /// # Errors
    /// A stop was requested, or another process owns the job.
    pub async fn turn(&self, items: u64, may_cancel: bool, shown: impl Fn(&JobReport)) -> Result<Turn, Halt> {
        let mut changed = self.orders.clone();
        loop {
            let orders = *changed.borrow_and_update();
            if self.stop.is_requested() {
                return Err(Halt::Interrupted);
            }
            if orders.lost {
                return Err(Halt::Refused("another process has taken the job over".to_owned()));
            }
            let wait = self.pace().wait(Instant::now());
            let held = match (orders.requested, orders.cause) {
                (Requested::Cancel, _) if may_cancel => return Ok(Turn::Cancel),
                (Requested::Pause, _) => Some(Held::Paused),
                (Requested::Run | Requested::Cancel, Some(cause)) => Some(Held::Limit(cause)),
                (Requested::Run | Requested::Cancel, None) if !wait.is_zero() => Some(Held::Rate),
                (Requested::Run | Requested::Cancel, None) => None,
            };
            let is_held = held.is_some();
            if self.update_report(|report| (report.held, report.live_lag) = (held, orders.live_lag)) {
                shown(&self.report());
            }
            if !is_held && self.pace().take_turn(items, orders.throttle.rate, Instant::now()) {
                return Ok(Turn::Go);
            }
            tokio::select! {
                () = tokio::time::sleep(if wait.is_zero() { POLL } else { wait.min(POLL) }) => {}
                _ = changed.changed() => {}
                () = self.stop.requested() => {}
            }
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the report; returns whether the reason for waiting changed.
    fn update_report(&self, change: impl FnOnce(&mut JobReport)) -> bool {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let before = report.held.clone();
        change(&mut report);
        report.held != before
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

/// Renews the lease and measures, once a second.
struct Heartbeat {
    means: Means,
    /// `None` for a dry run.
    id: Option<Uuid>,
    lag: Arc<LiveLag>,
    report: Arc<Mutex<JobReport>>,
    orders: watch::Sender<Orders>,
}

impl Heartbeat {
    async fn beat(self) {
        let mut interval = tokio::time::interval(BEAT);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            interval.tick().await;
            match self.beat_once().await {
                Ok(true) => {
                    if std::mem::take(&mut failing) {
                        info!("the job's row can be written again");
                    }
                }
                Ok(false) => return,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(%error, "could not renew the lease on the job; trying again");
                    }
                }
            }
        }
    }

    /// Returns false once another process owns the job.
    async fn beat_once(&self) -> Result<bool, StoreError> {
        let store = &self.means.store;
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let report = serde_json::to_value(report).unwrap_or_default();
        let started = Instant::now();
        let Orders { requested, throttle, .. } = *self.orders.borrow();
        let (requested, throttle) = match self.id {
            Some(id) => match jobs::beat(&store.pool, id, store.owner, LEASE, &report).await? {
                Some(row) => (row.requested, serde_json::from_value(row.throttle).unwrap_or_default()),
                None => {
                    self.orders.send_modify(|orders| orders.lost = true);
                    return Ok(false);
                }
            },
            None => lookup::clock(&store.pool).await.map(|_| (requested, throttle))?,
        };
        let db_latency = Some(started.elapsed());
        let outbox_rows = match throttle.max_outbox {
            Some(_) => u64::try_from(outbox::depth(&store.pool).await?.rows).ok(),
            None => None,
        };
        let pressure = Pressure { live_lag: self.live_lag().await, outbox_rows, db_latency };
        self.orders.send_modify(|orders| {
            orders.requested = requested;
            orders.throttle = throttle;
            orders.live_lag = pressure.live_lag;
            orders.cause = pressure.against(&throttle);
        });
        Ok(true)
    }

    async fn live_lag(&self) -> Option<u64> {
        let lag = Arc::clone(&self.lag);
        let measured = tokio::task::spawn_blocking(move || lag.measure()).await;
        measured.ok()?.ok()
    }
}
