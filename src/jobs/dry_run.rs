//! A job without writing: the same batches against the database as it is, read only.

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

/// What a job would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    pub counts: Counts,
    /// Users whose ranking would change.
    pub flow: Flow,
    /// The first users whose data break a rule.
    pub failures: Vec<Failure>,
}

/// How many failures are kept; all are counted.
const KEPT_FAILURES: usize = 10_000;

/// Goes through `source` without writing anything, with at most about `memory` bytes for the users that would change.
///
/// # Errors
/// It was interrupted, a dependency is unavailable, or the memory does not suffice.
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
        let endings = retry_until_deadline("PostgreSQL", async || dry_run.advance(batch.work.task()).await).await?;
        endings.iter().for_each(|ending| counts.count(ending));
        if !dry_run.is_exact {
            return Err(Halt::Refused(format!(
                "so many users would change that a dry run needs more than its {} MiB of memory; allow it more with \
                 --memory, or look at fewer partitions, users or hours",
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
