//! Writes a job's batch: the fold, failures, dead letters, and the position after it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Attempt, Batch, Failure, Work};
use super::run::{Known, Runner};
use super::spec::What;
use crate::domain::event::{Event, Reason, UserId};
use crate::domain::fold::Publishing;
use crate::output::{BatchWritten, Refused, retry_until_deadline};
use crate::runtime::fault::fault_point;
use crate::runtime::halt::Halt;
use crate::store::apply::Progress;
use crate::store::history::Histories;
use crate::store::jobs::{self, Checkpoint, Counts, Phase};
use crate::store::task::ItemOutcome;
use crate::store::task::{Rescoring, Task};

/// How often a position is stored after which nothing was written.
const IDLE_CHECKPOINT: Duration = Duration::from_secs(1);

impl Runner {
    pub(super) async fn write(&self, batch: Batch, publishing: Publishing) -> Result<(), Halt> {
        let items = batch.items();
        let Batch { part, position, done, passed, counts, work, refused, failures } = batch;
        let may_wait = !done && work.is_empty() && refused.is_empty() && failures.is_empty();
        self.writer.reject(refused).await?;
        self.note(&failures).await?;
        let (known, phase) = {
            let progress = self.progress();
            (progress.parts.get(&part).cloned().unwrap_or_default(), progress.phase)
        };
        let counts = known.counts.clone().plus(&counts);
        if may_wait && known.written_at.is_some_and(|at| at.elapsed() < IDLE_CHECKPOINT) {
            self.count(part, Known { counts, ..known }, (items, passed, 0));
            return Ok(());
        }
        let checkpoint = Checkpoint {
            job: self.id,
            owner: self.means.store.owner,
            phase,
            part: Arc::clone(&part),
            before: known.position,
            position: position.clone(),
            done,
            counts,
            ran_in: Histories::None,
        };
        let (counts, changes) = match work {
            Work::Merge(events) => self.fold(Task::Merge(&events), publishing, checkpoint).await?,
            Work::Rescore(rescorings) => self.fold(Task::Rescore(&rescorings), publishing, checkpoint).await?,
            Work::PublishAbove(users) => self.fold(Task::PublishAbove(&users), publishing, checkpoint).await?,
            Work::Records { events, attempts } => self.records(events, attempts, publishing, checkpoint).await?,
            Work::Republish { again, anew } => self.republish(&again, &anew, checkpoint).await?,
        };
        self.control.report_checkpoint();
        self.count(part, Known { position, counts, written_at: Some(Instant::now()) }, (items, passed, changes));
        Ok(())
    }

    /// Counts a batch of so many items, which covers so much of the source and has so many changes.
    fn count(&self, part: Arc<str>, known: Known, (items, passed, changes): (u64, u64, u64)) {
        let rate = {
            let mut progress = self.progress();
            progress.parts.insert(part, known);
            if progress.phase == Phase::Publish {
                progress.published += changes;
            } else {
                progress.passed += passed;
            }
            progress.speed.count(items, Instant::now())
        };
        self.control.report_rate(rate);
    }

    /// Folds and stores a batch with its checkpoint; returns the counts after it, and the number of changes.
    async fn fold(
        &self,
        task: Task<'_>,
        publishing: Publishing,
        checkpoint: Checkpoint,
    ) -> Result<(Counts, u64), Halt> {
        let before = checkpoint.counts.clone();
        let written = self.store(task, publishing, Some(checkpoint)).await?;
        Ok((count(before, &written.outcomes), written.changes))
    }

    /// Folds and stores, and records failed users.
    async fn store(
        &self,
        task: Task<'_>,
        publishing: Publishing,
        checkpoint: Option<Checkpoint>,
    ) -> Result<BatchWritten, Halt> {
        let written = self.writer.write(Progress::of_job(task, publishing, checkpoint)).await?;
        self.note(&failed(task, written.outcomes.iter().map(Some))).await?;
        Ok(written)
    }

    /// Publishes the last published change of `again`, and rescores `anew`, whose change is unpublished. The position
    /// is stored with the last of these writes.
    async fn republish(
        &self,
        again: &[UserId],
        anew: &[Rescoring],
        mut checkpoint: Checkpoint,
    ) -> Result<(Counts, u64), Halt> {
        let written = self.store(Task::Rescore(anew), Publishing::Immediate, None).await?;
        checkpoint.counts = count(checkpoint.counts, &written.outcomes);
        checkpoint.ran_in = written.ran_in;
        let publication = retry_until_deadline("PostgreSQL", || self.means.store.republish(again, &checkpoint)).await?;
        self.writer.publish(publication.into_iter().collect()).await?;
        Ok((checkpoint.counts, written.changes))
    }

    /// Records failed users, with the reasons. Failures before the fold are recorded before the position passes them.
    /// Of those that are rejected in the fold, a crash in between leaves only the count.
    async fn note(&self, failures: &[Failure]) -> Result<(), Halt> {
        let failures: Vec<(&str, &str)> =
            failures.iter().map(|failure| (failure.user.as_str(), failure.why.as_str())).collect();
        if failures.is_empty() {
            return Ok(());
        }
        retry_until_deadline("PostgreSQL", || jobs::note_failures(&self.means.store.pool, self.id, &failures)).await
    }

    /// Merges the events that change a state; if none does, only the position is written. Rejected ones that have an attempt
    /// are dead-lettered before the position is written: a crash in between repeats them and loses nothing.
    async fn records(
        &self,
        events: Vec<Event>,
        attempts: Vec<Attempt>,
        publishing: Publishing,
        mut checkpoint: Checkpoint,
    ) -> Result<(Counts, u64), Halt> {
        let (sifted, ran_in) =
            retry_until_deadline("PostgreSQL", || self.means.store.sift(Task::Merge(&events))).await?;
        checkpoint.ran_in = ran_in;
        self.note(&failed(Task::Merge(&events), sifted.iter().map(Option::as_ref))).await?;
        let (mut open, mut open_attempts, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut attempts = attempts.into_iter();
        for (event, outcome) in events.into_iter().zip(sifted) {
            let attempt = attempts.next();
            match outcome {
                Some(outcome) => refused.extend(self.end(attempt, outcome, &mut checkpoint.counts)),
                None => {
                    open.push(event);
                    open_attempts.extend(attempt);
                }
            }
        }
        if open_attempts.is_empty() && refused.is_empty() {
            return self.fold(Task::Merge(&open), publishing, checkpoint).await;
        }
        let written = self.store(Task::Merge(&open), publishing, None).await?;
        for (attempt, outcome) in open_attempts.into_iter().zip(written.outcomes) {
            refused.extend(self.end(Some(attempt), outcome, &mut checkpoint.counts));
        }
        checkpoint.ran_in = checkpoint.ran_in.and(written.ran_in);
        self.writer.reject(refused).await?;
        fault_point!("after-dead-letters");
        let after = checkpoint.counts.clone();
        self.fold(Task::Merge(&[]), publishing, checkpoint).await?;
        Ok((after, written.changes))
    }

    /// Counts a record's outcome; returns the dead letter to write. A replay skips records of users that are not on the
    /// platform; a redrive, whose dead letters wait for such users, rejects them.
    fn end(&self, attempt: Option<Attempt>, outcome: ItemOutcome, counts: &mut Counts) -> Option<Refused> {
        match outcome {
            Err(rejection) if rejection.reason != Reason::UnknownUser || matches!(self.spec.what, What::Redrive(_)) => {
                counts.reject(rejection.reason);
                attempt.map(|attempt| attempt.refused(rejection))
            }
            outcome => {
                counts.count(&outcome);
                None
            }
        }
    }
}

/// The users whose items were rejected in the fold or by the database, with the reasons.
fn failed<'e>(task: Task<'_>, outcomes: impl IntoIterator<Item = Option<&'e ItemOutcome>>) -> Vec<Failure> {
    let failure = |(index, outcome): (usize, Option<&ItemOutcome>)| match outcome? {
        Err(rejection) if rejection.reason != Reason::UnknownUser => {
            Some(Failure { user: task.user(index)?.to_string(), why: rejection.detail.clone() })
        }
        Err(_) | Ok(_) => None,
    };
    outcomes.into_iter().enumerate().filter_map(failure).collect()
}

fn count(before: Counts, outcomes: &[ItemOutcome]) -> Counts {
    outcomes.iter().fold(before, |mut counts, outcome| {
        counts.count(outcome);
        counts
    })
}
