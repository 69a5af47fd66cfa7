//! Runs a job from its checkpoint to its end: each batch waits for its turn and is written with the position after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

use super::claim;
use super::control::{Control, Turn};
use super::deferred::{self, Deferred};
use super::snapshot::{Snapshot, Speed};
use super::source::Source;
use super::spec::{Emit, Spec, What};
use super::throttle::Throttle;
use super::users;
use super::{LAST_WORK, Means};
use crate::domain::fold::{DeferringJob, JobCause, Publishing};
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

/// Runs a job that this process has claimed; `shown` always holds its progress.
///
/// # Errors
/// It was interrupted, a dependency is unavailable, or another process has taken it over. The job can be resumed.
pub async fn run(means: &Means, record: JobRecord, shown: &watch::Sender<Option<Snapshot>>) -> Result<Ended, Halt> {
    let id = record.id;
    let ended = means.stop.until_requested_and(LAST_WORK, run_to_end(means, record, shown)).await;
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
    shown: &watch::Sender<Option<Snapshot>>,
) -> Result<Ended, Halt> {
    let (id, mut pauses) = (record.id, Retry::forever());
    loop {
        match take_up(means, &record, shown).await {
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

async fn take_up(means: &Means, record: &JobRecord, shown: &watch::Sender<Option<Snapshot>>) -> Result<Ended, Halt> {
    let spec = spec(record)?;
    let throttle: Throttle = serde_json::from_value(record.throttle.clone()).unwrap_or_default();
    let parts = jobs::parts(&means.store.pool, record.id).await?;
    let mut runner = Runner {
        means,
        id: record.id,
        writer: BatchWriter::start(means.store.clone(), &means.output, means.stop.clone()).await?,
        control: Control::start(means, record.id, record.requested, throttle)?,
        parts: parts
            .iter()
            .map(|part| (part.name.as_str().into(), Known { position: part.position.clone(), counts: part.counts }))
            .collect(),
        progress: Walked {
            phase: record.phase,
            passed: passed(&spec.what, &parts),
            published: 0,
            speed: Speed::new(Instant::now()),
        },
        spec,
        shown,
    };
    let walked = runner.walk(&parts).await;
    let Runner { writer, control, parts: known, progress, .. } = runner;
    // Stored changes are published even after a halt.
    let finished = writer.finish().await;
    let ended = walked.and_then(|ended| finished.map(|()| ended))?;
    let phase = match ended {
        Ended::Done => Phase::Done,
        Ended::Cancelled => Phase::Cancelled,
    };
    enter(means, record.id, progress.phase, phase, &known).await?;
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
    match what {
        What::Replay(replay) => replay
            .ranges
            .iter()
            .filter_map(|range| {
                let part = parts.iter().find(|part| part.name == range.part())?;
                let position: i64 = part.position.parse().ok()?;
                u64::try_from(position - range.first).ok()
            })
            .sum(),
        What::Backfill(_) | What::Recompute { .. } | What::Republish(_) => {
            parts.iter().filter(|part| part.name == users::PART).map(|part| part.counts.items).sum()
        }
    }
}

/// The counts of all parts, without the publishing phase.
pub fn total(parts: &[Part]) -> Counts {
    let work = parts.iter().filter(|part| part.name != deferred::PART);
    work.map(|part| part.counts).fold(Counts::default(), Counts::plus)
}

/// A part of the job as this process has written or read it last.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) position: String,
    pub(super) counts: Counts,
}

type KnownParts = HashMap<Arc<str>, Known>;

/// A running job.
pub(super) struct Runner<'a> {
    pub(super) means: &'a Means,
    pub(super) id: Uuid,
    pub(super) spec: Spec,
    pub(super) writer: BatchWriter,
    pub(super) control: Control,
    pub(super) parts: KnownParts,
    pub(super) progress: Walked,
    pub(super) shown: &'a watch::Sender<Option<Snapshot>>,
}

/// The progress of a job.
pub(super) struct Walked {
    pub(super) phase: Phase,
    pub(super) passed: u64,
    pub(super) published: u64,
    pub(super) speed: Speed,
}

impl Runner<'_> {
    /// Works through the remaining parts, then publishes the job's deferred changes.
    async fn walk(&mut self, parts: &[Part]) -> Result<Ended, Halt> {
        let mut work = parts.iter().filter(|part| part.name != deferred::PART);
        let mut is_complete = work.all(|part| part.done);
        if self.progress.phase == Phase::Work {
            let what = &self.spec.what;
            let mut source = Source::open(self.means, what, self.id, parts, what.keys(self.id)).await?;
            let publishes_at_end = self.spec.emit == Emit::Changed;
            let publishing = if what.is_immediate() {
                Publishing::Immediate
            } else {
                Publishing::Deferred(DeferringJob { id: self.id, publishes_at_end })
            };
            is_complete = self.exhaust(&mut source, publishing).await? == Turn::Go;
            enter(self.means, self.id, Phase::Work, Phase::Publish, &self.parts).await?;
            self.progress.phase = Phase::Publish;
        }
        if self.spec.emit == Emit::Changed
            && let Some(part) = parts.iter().find(|part| part.name == deferred::PART && !part.done)
        {
            let cause = JobCause { id: self.id, trigger: self.spec.what.trigger() };
            let store = self.means.store.clone();
            let deferred = Deferred { store, cause, after: part.position.clone(), is_done: false };
            self.exhaust(&mut Source::Deferred(deferred), Publishing::Immediate).await?;
        }
        Ok(if is_complete { Ended::Done } else { Ended::Cancelled })
    }

    /// Writes the batches of a source until it ends or the job is cancelled. The publishing phase cannot be cancelled.
    async fn exhaust(&mut self, source: &mut Source, publishing: Publishing) -> Result<Turn, Halt> {
        loop {
            self.show();
            if self.progress.phase == Phase::Work && self.control.is_cancelled() {
                return Ok(Turn::Cancel);
            }
            let most = self.control.throttle().batch_items();
            let next = tokio::select! {
                next = source.next(most) => next?,
                () = self.means.stop.requested() => return Err(Halt::Interrupted),
            };
            let Some(batch) = next else { return Ok(Turn::Go) };
            if self.wait_for_turn(batch.items()).await? == Turn::Cancel {
                return Ok(Turn::Cancel);
            }
            self.write(batch, publishing).await?;
        }
    }

    async fn wait_for_turn(&mut self, items: u64) -> Result<Turn, Halt> {
        let may_cancel = self.progress.phase == Phase::Work;
        let shown = self.shown;
        let show = |report: &super::snapshot::JobReport| {
            shown.send_modify(|snapshot| {
                if let Some(snapshot) = snapshot {
                    snapshot.report = report.clone();
                }
            });
        };
        self.control.turn(items.max(1), may_cancel, show).await
    }

    fn show(&self) {
        let work = self.parts.iter().filter(|(part, _)| &***part != deferred::PART);
        self.shown.send_replace(Some(Snapshot {
            phase: self.progress.phase,
            counts: work.map(|(_, known)| known.counts).fold(Counts::default(), Counts::plus),
            passed: self.progress.passed,
            expected: self.spec.expected,
            published: self.progress.published,
            report: self.control.report(),
        }));
    }
}
