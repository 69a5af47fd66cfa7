//! The dry run of a job: folds the same batches over the stored states, read only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::Means;
use super::batch::{Batch, Failure};
use super::control::{Control, Turn};
use super::parallel::{self, ReadAhead};
use super::snapshot::{Snapshot, Speed};
use super::source::Source;
use super::spec::{Spec, What};
use super::throttle::Throttle;
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::dry_run::{DryRun, Flow};
use crate::store::jobs::{Counts, Phase};

/// The result of a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    pub counts: Counts,
    /// Users whose ranking would change.
    pub flow: Flow,
    /// The first users with invalid data, and the rules.
    pub failures: Vec<(String, String)>,
}

/// Folds `sources`, those of the job `spec`, without writing; keeps `most_failures`. Its memory does not grow with the number of users.
///
/// # Errors
/// It was interrupted, or a dependency is unavailable.
pub async fn run(
    means: &Means,
    spec: &Spec,
    sources: Vec<Source>,
    throttle: Throttle,
    most_failures: usize,
    shown: &watch::Sender<Option<Snapshot>>,
) -> Result<Forecast, Halt> {
    let store = means.store.clone();
    let running = Arc::new(Running {
        means: means.clone(),
        dry_run: match spec.what {
            What::Replay(_) | What::Redrive(_) => DryRun::of_events(store)?,
            What::Backfill(_) | What::Recompute { .. } | What::Republish(_) => DryRun::of_distinct_users(store),
        },
        control: Control::of_dry_run(means, throttle)?,
        expected: spec.expected,
        most_failures,
        is_halted: AtomicBool::new(false),
        passed: Mutex::new(Passed {
            items: 0,
            counts: Counts::default(),
            failures: Vec::new(),
            speed: Speed::new(Instant::now()),
        }),
        shown: shown.clone(),
    });
    let exhaust = |source| Arc::clone(&running).exhaust(source);
    parallel::each(sources, means.at_once, &running.is_halted, exhaust).await?;
    let Passed { counts, failures, .. } = &*running.passed();
    let failures = failures.iter().map(|Failure { user, why }| (user.clone(), why.clone())).collect();
    Ok(Forecast { counts: counts.clone(), flow: running.dry_run.forecast().flow, failures })
}

/// A running dry run. Shared by the tasks that work through its sources.
struct Running {
    means: Means,
    dry_run: DryRun,
    control: Control,
    /// The approximate number of items.
    expected: u64,
    most_failures: usize,
    is_halted: AtomicBool,
    passed: Mutex<Passed>,
    shown: watch::Sender<Option<Snapshot>>,
}

struct Passed {
    /// In the unit of `expected`.
    items: u64,
    counts: Counts,
    failures: Vec<Failure>,
    speed: Speed,
}

impl Running {
    async fn exhaust(self: Arc<Self>, source: Source) -> Result<Turn, Halt> {
        let most = || self.control.throttle().batch_items();
        let mut batches = ReadAhead::begin(source, most(), self.means.stop.clone()).await?;
        while let Some(batch) = batches.take() {
            self.show();
            self.control.turn(batch.items(), false, |_| self.show()).await?;
            if self.is_halted.load(Ordering::Relaxed) {
                break;
            }
            batches.read_during(self.fold(batch), most()).await?;
        }
        Ok(Turn::Go)
    }

    async fn fold(&self, batch: Batch) -> Result<(), Halt> {
        let advance = || self.dry_run.advance(batch.work.task());
        let outcomes = retry_until_deadline("PostgreSQL", advance).await?;
        let mut passed = self.passed();
        let items = batch.items();
        passed.counts = std::mem::take(&mut passed.counts).plus(&batch.counts);
        outcomes.iter().for_each(|outcome| passed.counts.count(outcome));
        passed.items += batch.passed;
        passed.failures.extend(batch.failures);
        passed.failures.truncate(self.most_failures);
        let rate = passed.speed.count(items, Instant::now());
        self.control.report_rate(rate);
        Ok(())
    }

    fn show(&self) {
        let Passed { items, counts, .. } = &*self.passed();
        let (passed, counts, report) = (*items, counts.clone(), self.control.report());
        let (phase, expected) = (Phase::Work, self.expected);
        self.shown.send_replace(Some(Snapshot { phase, counts, passed, expected, published: 0, report }));
    }

    /// Never left half-changed, so a poisoned lock is safe to use.
    fn passed(&self) -> MutexGuard<'_, Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
