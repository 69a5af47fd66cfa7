//! Writes a job's batch: the fold, failures, dead letters, and the position after it.

use std::sync::Arc;
use std::time::Instant;

use super::batch::{Batch, Failure, Work};
use super::run::{Known, Runner};
use crate::domain::event::{Event, Reason, UserId};
use crate::domain::fold::Publishing;
use crate::ingest::record::{OriginalRecord, Rejected};
use crate::output::{BatchWritten, Refused, retry_until_deadline};
use crate::runtime::halt::Halt;
use crate::store::apply::Progress;
use crate::store::history::Histories;
use crate::store::jobs::{self, Checkpoint, Counts, Phase};
use crate::store::task::ItemOutcome;
use crate::store::task::{Rescoring, Task};

/// A live record is tried once; so is a replayed one.
const FIRST_ATTEMPT: u32 = 1;

impl Runner<'_> {
    pub(super) async fn write(&mut self, batch: Batch, publishing: Publishing) -> Result<(), Halt> {
        let items = batch.items();
        let Batch { part, position, done, passed, counts, work, refused, failures } = batch;
        self.writer.reject(refused).await?;
        self.note(&failures).await?;
        let known = self.parts.get(&part).cloned().unwrap_or_default();
        let before = known.counts.plus(counts);
        let checkpoint = Checkpoint {
            job: self.id,
            owner: self.means.store.owner,
            phase: self.progress.phase,
            part: Arc::clone(&part),
            before: known.position,
            position: position.clone(),
            done,
            counts: before,
            ran_in: Histories::None,
        };
        let (after, changes) = match work {
            Work::Merge { events, records } => self.merge(events, records, publishing, checkpoint).await?,
            Work::Rescore(rescorings) => {
                let written = self.fold(Task::Rescore(&rescorings), publishing, Some(checkpoint)).await?;
                (count(before, &written.outcomes), written.changes)
            }
            Work::PublishAbove(users) => {
                let written = self.fold(Task::PublishAbove(&users), publishing, Some(checkpoint)).await?;
                (count(before, &written.outcomes), written.changes)
            }
            Work::Republish { again, anew } => self.republish(&again, &anew, checkpoint).await?,
        };
        self.parts.insert(part, Known { position, counts: after });
        if self.progress.phase == Phase::Publish {
            self.progress.published += changes;
        } else {
            self.progress.passed += passed;
        }
        let rate = self.progress.speed.count(items, Instant::now());
        self.control.report_rate(rate);
        Ok(())
    }

    /// Folds and stores, and records failed users.
    async fn fold(
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
        let written = self.fold(Task::Rescore(anew), Publishing::Immediate, None).await?;
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

    /// Merges the events that change a state; if none does, only the position is written.
    async fn merge(
        &self,
        events: Vec<Event>,
        records: Vec<OriginalRecord>,
        publishing: Publishing,
        mut checkpoint: Checkpoint,
    ) -> Result<(Counts, u64), Halt> {
        let (sifted, ran_in) =
            retry_until_deadline("PostgreSQL", || self.means.store.sift(Task::Merge(&events))).await?;
        checkpoint.ran_in = ran_in;
        self.note(&failed(Task::Merge(&events), sifted.iter().map(Option::as_ref))).await?;
        let mut open = Vec::new();
        let mut records = records.into_iter();
        let mut open_records = Vec::new();
        for (event, outcome) in events.into_iter().zip(sifted) {
            let record = records.next();
            match outcome {
                Some(outcome) => checkpoint.counts.count(&outcome),
                None => {
                    open.push(event);
                    open_records.extend(record);
                }
            }
        }
        if open_records.is_empty() {
            let before = checkpoint.counts;
            let written = self.fold(Task::Merge(&open), publishing, Some(checkpoint)).await?;
            return Ok((count(before, &written.outcomes), written.changes));
        }
        // Dead letters are written before the position: a crash in between repeats them and loses nothing.
        let written = self.fold(Task::Merge(&open), publishing, None).await?;
        checkpoint.counts = count(checkpoint.counts, &written.outcomes);
        checkpoint.ran_in = checkpoint.ran_in.and(written.ran_in);
        self.writer.reject(refused(open_records, &written.outcomes)).await?;
        let after = checkpoint.counts;
        self.fold(Task::Merge(&[]), publishing, Some(checkpoint)).await?;
        Ok((after, written.changes))
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

fn refused(records: Vec<OriginalRecord>, outcomes: &[ItemOutcome]) -> Vec<Refused> {
    let refused = records.into_iter().zip(outcomes).filter_map(|(record, outcome)| match outcome {
        // A record of a user that is not on the platform is skipped, not rejected.
        Err(rejection) if rejection.reason != Reason::UnknownUser => {
            let rejected = Rejected { record, rejection: rejection.clone() };
            Some(Refused { rejected, attempts: FIRST_ATTEMPT })
        }
        Err(_) | Ok(_) => None,
    });
    refused.collect()
}
