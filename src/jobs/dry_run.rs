//! The dry run of a job: folds the same batches over the stored states, read only.

use std::time::Instant;

use tokio::sync::watch;

use super::Means;
use super::batch::Failure;
use super::snapshot::{JobReport, Snapshot, Speed};
use super::source::Source;
use super::throttle::{Pace, Throttle};
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
    /// The first users with invalid data.
    pub failures: Vec<Failure>,
}

/// How many failures are kept; all are counted.
const KEPT_FAILURES: usize = 10_000;

/// Folds `source` without writing, with at most about `memory` bytes for the users that would change.
///
/// # Errors
/// It was interrupted, a dependency is unavailable, or it needs more memory.
pub async fn run(
    means: &Means,
    mut source: Source,
    throttle: &Throttle,
    (expected, memory): (u64, usize),
    shown: &watch::Sender<Option<Snapshot>>,
) -> Result<Forecast, Halt> {
    let mut dry_run = DryRun::new(means.store.clone(), memory);
    let mut counts = Counts::default();
    let (mut pace, mut speed) = (Pace::new(Instant::now()), Speed::new(Instant::now()));
    let (mut passed, mut rate) = (0, 0.0);
    let mut failures = Vec::new();
    loop {
        let report = JobReport { rate, ..JobReport::default() };
        shown.send_replace(Some(Snapshot { phase: Phase::Work, counts, passed, expected, published: 0, report }));
        let next = tokio::select! {
            next = source.next(throttle.batch_items()) => next?,
            () = means.stop.requested() => return Err(Halt::Interrupted),
        };
        let Some(batch) = next else { break };
        tokio::time::sleep(pace.wait(Instant::now())).await;
        pace.start(batch.items(), throttle.rate, Instant::now());
        counts = counts.plus(batch.counts);
        let outcomes = retry_until_deadline("PostgreSQL", async || dry_run.advance(batch.work.task()).await).await?;
        outcomes.iter().for_each(|outcome| counts.count(outcome));
        if !dry_run.is_exact {
            return Err(Halt::Refused(format!(
                "the dry run needs more than its {} MiB of memory for the users that would change; raise --memory, or \
                 select fewer partitions, users or hours",
                memory / (1024 * 1024)
            )));
        }
        passed += batch.passed;
        rate = speed.count(batch.items(), Instant::now());
        failures.extend(batch.failures);
        failures.truncate(KEPT_FAILURES);
    }
    Ok(Forecast { counts, flow: dry_run.flow(), failures })
}
