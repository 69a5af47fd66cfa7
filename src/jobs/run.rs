//! Runs a job from its checkpoint to its end: each batch waits for its turn and is written with the position after it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

use super::control::{Control, Turn};
use super::deferred::{self, Deferred};
use super::parallel::{self, ReadAhead};
use super::snapshot::{JobReport, Snapshot, Speed};
use super::source::{Chosen, Source};
use super::spec::{Spec, What};
use super::throttle::MOST_PUBLISHED;
use super::topic_ahead::Ahead;
use super::{LAST_WORK, Means, claim, leftovers};
use crate::domain::fold::{JobCause, Publishing};
use crate::domain::sample::Sample;
use crate::output::{BatchWriter, retry_until_deadline};
use crate::runtime::halt::Halt;
use crate::runtime::retry::Retry;
use crate::store::jobs::{self, Counts, JobRecord, Part, Phase, PhaseChange};
use crate::store::sql::within;

/// The end of a job that was not interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Done,
    Cancelled,
}

/// The deadline of the end of the lease then, which otherwise expires by itself.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// Runs a job that this process has claimed; `shown` always holds its progress. `ahead` are its users if they were just found.
///
/// # Errors
/// It was interrupted, a dependency is unavailable, or another process has taken it over. The job can be resumed.
pub async fn run(
    means: &Means,
    record: JobRecord,
    ahead: Option<Ahead>,
    shown: &watch::Sender<Option<Snapshot>>,
) -> Result<Ended, Halt> {
    let id = record.id;
    let ended = means.stop.until_requested_and(LAST_WORK, run_to_end(means, record, ahead, shown)).await;
    let ended = ended.unwrap_or(Err(Halt::Interrupted));
    if ended.is_err()
        && let Err(error) = within(LAST_ANSWER, jobs::release(&means.store.pool, id, means.store.owner)).await
    {
        warn!(%error, "could not release the lease on the job; it expires by itself");
    }
    ended
}

/// Runs a job, and again from its stored checkpoint whenever the database has lost commits of it.
async fn run_to_end(
    means: &Means,
    mut record: JobRecord,
    mut ahead: Option<Ahead>,
    shown: &watch::Sender<Option<Snapshot>>,
) -> Result<Ended, Halt> {
    let (id, mut pauses) = (record.id, Retry::forever());
    loop {
        match take_up(means, &record, ahead.take(), shown).await {
            Err(Halt::CheckpointLost) => {
                warn!(job = %id, "the database has lost commits of the job; it goes on from the checkpoint that is left");
                pauses.wait().await;
                record = retry_until_deadline("PostgreSQL", || claim::claim(means, id, false)).await?;
            }
            ended => return ended,
        }
    }
}

/// The parameters in the job's row.
///
/// # Errors
/// A newer version of this program has written them.
pub fn spec(record: &JobRecord) -> Result<Spec, Halt> {
    serde_json::from_value(record.spec.clone())
        .map_err(|error| Halt::Refused(format!("this version of segmenter does not understand the job: {error}")))
}

async fn take_up(
    means: &Means,
    record: &JobRecord,
    ahead: Option<Ahead>,
    shown: &watch::Sender<Option<Snapshot>>,
) -> Result<Ended, Halt> {
    let spec = spec(record)?;
    let parts = jobs::parts(&means.store.pool, record.id).await?;
    let known = |part: &Part| Known { position: part.position.clone(), counts: part.counts.clone(), written_at: None };
    let runner = Runner {
        means: means.clone(),
        id: record.id,
        writer: BatchWriter::start(means.store.clone(), &means.output, means.stop.clone()).await?,
        control: Control::start(means, record)?,
        progress: Mutex::new(Walked {
            phase: record.phase,
            parts: parts.iter().map(|part| (part.name.as_str().into(), known(part))).collect(),
            passed: passed(&spec.what, &parts),
            published: 0,
            speed: Speed::new(Instant::now()),
        }),
        is_halted: AtomicBool::new(false),
        spec,
        shown: shown.clone(),
    };
    let runner = Arc::new(runner);
    let walked = walk(&runner, &parts, ahead).await;
    // The tasks that shared it have ended.
    let runner = Arc::into_inner(runner).ok_or_else(|| Halt::Failed("a part of the job still runs".to_owned()))?;
    let Runner { writer, control, progress, .. } = runner;
    // Stored changes are published even after a halt.
    let finished = writer.finish().await;
    let ended = walked.and_then(|ended| finished.map(|()| ended))?;
    let phase = match ended {
        Ended::Done => Phase::Done,
        Ended::Cancelled => Phase::Cancelled,
    };
    let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    enter(means, record.id, progress.phase, phase, &progress.parts).await?;
    shown.send_modify(|snapshot| {
        if let Some(snapshot) = snapshot {
            snapshot.phase = phase;
        }
    });
    // The phase is stored, so the lease may end.
    drop(control);
    Ok(ended)
}

async fn enter(means: &Means, job: Uuid, from: Phase, to: Phase, known: &KnownParts) -> Result<(), Halt> {
    let positions = known.iter().map(|(part, known)| (Arc::clone(part), known.position.clone())).collect();
    let change = PhaseChange { job, owner: means.store.owner, from, to, positions };
    retry_until_deadline("PostgreSQL", || jobs::enter_phase(&means.store.pool, &change)).await
}

/// How much of the source earlier owners have processed, in the unit of the spec's `expected`.
pub fn passed(what: &What, parts: &[Part]) -> u64 {
    match what.ranges() {
        Some(ranges) => ranges
            .iter()
            .filter_map(|range| {
                let part = parts.iter().find(|part| part.name == range.part())?;
                let position: i64 = part.position.parse().ok()?;
                u64::try_from(position - range.first).ok()
            })
            .sum(),
        None => total(parts).items,
    }
}

/// The counts of all parts, without the publishing phase.
pub fn total(parts: &[Part]) -> Counts {
    let work = parts.iter().filter(|part| part.name != deferred::PART);
    work.map(|part| &part.counts).fold(Counts::default(), Counts::plus)
}

/// A part of the job as this process has written or read it last.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// As stored; `counts` may be ahead of it by batches that wrote nothing.
    pub(super) position: String,
    pub(super) counts: Counts,
    /// When this process has stored the position last.
    pub(super) written_at: Option<Instant>,
}

type KnownParts = HashMap<Arc<str>, Known>;

/// A running job. Shared by the tasks that work through its sources.
pub(super) struct Runner {
    pub(super) means: Means,
    pub(super) id: Uuid,
    pub(super) spec: Spec,
    pub(super) writer: BatchWriter,
    pub(super) control: Control,
    progress: Mutex<Walked>,
    /// One source has failed: the others end after their batch.
    is_halted: AtomicBool,
    shown: watch::Sender<Option<Snapshot>>,
}

/// The progress of a job.
pub(super) struct Walked {
    pub(super) phase: Phase,
    pub(super) parts: KnownParts,
    pub(super) passed: u64,
    pub(super) published: u64,
    pub(super) speed: Speed,
}

/// Works through the remaining parts, then publishes the job's deferred changes, and those that its earlier owners left.
async fn walk(runner: &Arc<Runner>, parts: &[Part], ahead: Option<Ahead>) -> Result<Ended, Halt> {
    let Runner { means, id, spec, .. } = &**runner;
    let mut work = parts.iter().filter(|part| part.name != deferred::PART);
    let mut is_complete = work.all(|part| part.done);
    if runner.progress().phase == Phase::Work {
        let what = &spec.what;
        let chosen = ahead.map(Chosen::Ahead).or_else(|| what.keys(*id).map(Chosen::Keys));
        let sources = Source::open(means, what, *id, parts, chosen, Sample::ALL).await?;
        let publishing = spec.publishing(*id);
        let exhaust = |source| Arc::clone(runner).exhaust(source, publishing);
        is_complete = parallel::each(sources, means.at_once, &runner.is_halted, exhaust).await? == Turn::Go;
        runner.enter(Phase::Publish).await?;
    }
    if let Some(part) = parts.iter().find(|part| part.name == deferred::PART && !part.done) {
        let cause = JobCause { id: *id, trigger: spec.what.trigger() };
        let store = means.store.clone();
        let deferred = Deferred { store, cause, after: part.position.clone(), is_done: false };
        Arc::clone(runner).exhaust(Source::Deferred(deferred), Publishing::Immediate).await?;
    }
    leftovers::wait_until_taken_over(means, *id).await?;
    Ok(if is_complete { Ended::Done } else { Ended::Cancelled })
}

impl Runner {
    /// Writes the batches of a source until it ends or the job is cancelled. The publishing phase cannot be cancelled.
    async fn exhaust(self: Arc<Self>, source: Source, publishing: Publishing) -> Result<Turn, Halt> {
        let may_cancel = self.progress().phase == Phase::Work;
        let most = || {
            let most = self.control.throttle().batch_items();
            // The publisher holds the changes of several batches in memory.
            if matches!(publishing, Publishing::Deferred(_)) { most } else { most.min(MOST_PUBLISHED) }
        };
        let mut batches = ReadAhead::begin(source, most(), self.means.stop.clone()).await?;
        while let Some(batch) = batches.take() {
            self.show();
            let is_cancelled = self.wait_for_turn(batch.items(), may_cancel).await? == Turn::Cancel;
            if is_cancelled || self.is_halted.load(Ordering::Relaxed) {
                return Ok(Turn::Cancel);
            }
            batches.read_during(self.write(batch, publishing), most()).await?;
        }
        self.show();
        Ok(Turn::Go)
    }

    async fn wait_for_turn(&self, items: u64, may_cancel: bool) -> Result<Turn, Halt> {
        let show = |report: &JobReport| {
            self.shown.send_modify(|snapshot| {
                if let Some(snapshot) = snapshot {
                    snapshot.report = report.clone();
                }
            });
        };
        self.control.turn(items.max(1), may_cancel, show).await
    }

    /// Moves the job to its next phase.
    async fn enter(&self, to: Phase) -> Result<(), Halt> {
        let (from, parts) = {
            let progress = self.progress();
            (progress.phase, progress.parts.clone())
        };
        enter(&self.means, self.id, from, to, &parts).await?;
        self.progress().phase = to;
        Ok(())
    }

    /// Never left half-changed, so a poisoned lock is safe to use.
    pub(super) fn progress(&self) -> MutexGuard<'_, Walked> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self) {
        let progress = self.progress();
        let work = progress.parts.iter().filter(|(part, _)| &***part != deferred::PART);
        self.shown.send_replace(Some(Snapshot {
            phase: progress.phase,
            counts: work.map(|(_, known)| &known.counts).fold(Counts::default(), Counts::plus),
            passed: progress.passed,
            expected: self.spec.expected,
            published: progress.published,
            report: self.control.report(),
        }));
    }
}
