//! The workers between the consumer thread and the database. All events of a user go to the same worker, so a user's folds
//! are serialized. The records that arrive during a worker's transaction are its next batch.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{debug, error};

use super::assignment::{Assignment, Effects, FloodAt, Ticket};
use super::locked_users::LockedUsers;
use super::offset_tracker::Finish;
use super::record::{OriginalRecord, Rejected};
use super::work_queues::Work;
use crate::config::BatchConfig;
use crate::domain::event::{Event, Millis, Reason, Rejection};
use crate::domain::profile::Outcome;
use crate::kafka::client::Topics;
use crate::kafka::partition::Partition;
use crate::publish::handover::Handover;
use crate::runtime::stop::{Stop, StopReason};
use crate::store::apply::Progress;
use crate::store::history::Histories;
use crate::store::task::ItemOutcome;
use crate::store::writer::{GivenUp, Writer, Written};
use crate::telemetry::metrics::{Metrics, RecordOutcome};
use crate::telemetry::traces::{Coordinates, Traces};

/// The offset trackers of the live consumer.
pub(crate) type LiveAssignment = Assignment<Box<Rejected>>;

/// How much a worker folds in one transaction.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    pub records: usize,
    pub bytes: usize,
    /// How long to wait for more records after the first; zero does not wait.
    pub wait: std::time::Duration,
}

impl From<&BatchConfig> for BatchLimits {
    fn from(config: &BatchConfig) -> Self {
        Self { records: config.max_records as usize, bytes: config.max_bytes.0, wait: config.max_wait }
    }
}

/// Reports finished records to their offset trackers and carries out the effects: dead letters, and the stop at a poison flood.
#[derive(Clone)]
pub(crate) struct Finisher {
    pub assignment: Arc<LiveAssignment>,
    pub dead_letters: mpsc::UnboundedSender<(Ticket, Box<Rejected>)>,
    pub metrics: Metrics,
    pub stop: Stop,
    pub topics: Arc<Topics>,
}

impl Finisher {
    pub fn finish(&self, ended: impl IntoIterator<Item = (Ticket, Finish<Box<Rejected>>)>) {
        let effects = self.assignment.finish(ended);
        self.pass_on(effects);
    }

    /// Ends the rejection run of a partition.
    pub fn flush_run(&self, partition: Partition) {
        let to_write = self.assignment.flush_run(partition);
        self.pass_on(Effects { to_write, flood: None });
    }

    fn pass_on(&self, effects: Effects<Box<Rejected>>) {
        for dead_letter in effects.to_write {
            // The writer outlives all senders; it is gone only when the process gives up, and the record stays uncommitted.
            let _ = self.dead_letters.send(dead_letter);
        }
        if let Some(flood) = effects.flood {
            self.stop.now(StopReason::Flood(self.describe(flood)));
        }
    }

    fn describe(&self, at: FloodAt) -> String {
        let topic = self.topics.input(at.partition.kind);
        let last = self.assignment.with_last_held(at.partition, |rejected| {
            let rejection = &rejected.rejection;
            format!("{} ({})", rejection.reason.as_str(), rejection.detail)
        });
        let last = last.unwrap_or_default();
        format!(
            "{} records in a row were rejected in {topic} partition {}, offsets {} to {}; nothing of the run was \
             committed or dead-lettered. The last reason: {last}. A producer is probably broken; once it is \
             fixed, raise the limit for one start or move the group's offset past the run",
            at.flood.records, at.partition.number, at.flood.first_offset, at.flood.last_offset,
        )
    }
}

/// Whether records have met a lock before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    AfterLock,
}

/// One worker.
pub(crate) struct Worker {
    pub queue: mpsc::UnboundedReceiver<Work>,
    pub limits: BatchLimits,
    pub writer: Writer,
    pub handover: Handover,
    pub finisher: Finisher,
    pub traces: Traces,
}

impl Worker {
    /// Runs until the queue is closed and empty, or the process gives up.
    pub async fn run(mut self) {
        let (mut waiting, mut locked) = (VecDeque::new(), LockedUsers::new());
        let (mut is_open, stop) = (true, self.writer.stop.clone());
        while is_open || !waiting.is_empty() || !locked.is_empty() {
            if waiting.is_empty() {
                tokio::select! {
                    received = self.receive(&mut waiting), if is_open => is_open = received,
                    () = locked.due(), if !locked.is_empty() => {}
                    () = stop.abandoned() => return,
                }
            }
            let written = match locked.take_due() {
                Some(records) => self.retry_locked(records, &mut locked).await,
                None => self.write_next(&mut waiting, &mut locked).await,
            };
            if written.is_err() {
                return;
            }
        }
    }

    /// Waits for the first record and receives all that have arrived; false once the queue is closed and empty. Cancelling it
    /// loses no record.
    async fn receive(&mut self, waiting: &mut VecDeque<Work>) -> bool {
        let mut received = Vec::with_capacity(self.limits.records);
        let first = self.queue.recv_many(&mut received, self.limits.records).await;
        waiting.extend(received.drain(..));
        if !self.limits.wait.is_zero() && first > 0 && first < self.limits.records {
            // At the timeout the batch is complete.
            let more = self.queue.recv_many(&mut received, self.limits.records - first);
            let _ = tokio::time::timeout(self.limits.wait, more).await;
            waiting.extend(received);
        }
        first > 0
    }

    /// Writes the next batch of users that are not locked.
    async fn write_next(&self, waiting: &mut VecDeque<Work>, locked: &mut LockedUsers) -> Result<(), GivenUp> {
        let batch = locked.divert(next_batch(waiting, self.limits, &self.finisher.assignment));
        if !batch.is_empty()
            && let Some((records, reason)) = self.write(batch, Attempt::First).await?
        {
            locked.add(records, &reason);
        }
        Ok(())
    }

    /// Writes the records of one locked user.
    async fn retry_locked(&self, mut records: VecDeque<Work>, locked: &mut LockedUsers) -> Result<(), GivenUp> {
        while !records.is_empty() {
            let batch = next_batch(&mut records, self.limits, &self.finisher.assignment);
            if !batch.is_empty()
                && let Some((mut left, reason)) = self.write(batch, Attempt::AfterLock).await?
            {
                left.extend(records);
                locked.add(left, &reason);
                return Ok(());
            }
        }
        locked.succeeded();
        Ok(())
    }

    /// Writes a batch and finishes its records; returns those whose users are locked, and the reason.
    async fn write(&self, batch: Vec<Work>, attempt: Attempt) -> Result<Option<(Vec<Work>, String)>, GivenUp> {
        let (mut events, rest): (Vec<Event>, Vec<(Ticket, OriginalRecord)>) =
            batch.into_iter().map(|work| (work.event, (work.ticket, work.record))).unzip();
        let trace = self.traces.write_begins(&mut events, |index| self.place(&rest.get(index)?.1));
        let mut progress = if rest.iter().any(|(ticket, _)| ticket.is_in_repair) {
            Progress::publishing_all(&events)
        } else {
            Progress::new(&events)
        };
        if attempt == Attempt::AfterLock {
            progress = progress.of_locked();
        }
        let Written { mut publications, ran_in, locked } = self.writer.write(&mut progress).await?;
        let oldest = rest.iter().filter_map(|(_, record)| record.timestamp).min().map(Millis);
        publications.iter_mut().for_each(|publication| publication.since = oldest);
        let outcomes = progress.into_outcomes_so_far();
        trace.end(&outcomes);
        debug!(records = events.len(), changes = publications.len(), "wrote a batch");
        let metrics = &self.finisher.metrics;
        metrics.batch_records.observe(events.len() as f64);
        let (mut ended, mut left) = (Vec::with_capacity(events.len()), Vec::new());
        for ((event, (ticket, record)), outcome) in events.into_iter().zip(rest).zip(outcomes) {
            let Some(outcome) = outcome else {
                left.push(Work { ticket, event, record });
                continue;
            };
            self.log_defect(&record, &outcome);
            let (outcome, finish) = finish(record, outcome, ran_in);
            metrics.record(ticket.partition.kind, outcome);
            ended.push((ticket, finish));
        }
        self.finisher.finish(ended);
        self.handover.hand_over(publications, &self.writer.stop).await;
        Ok(locked.map(|reason| (left, reason)))
    }

    fn log_defect(&self, record: &OriginalRecord, outcome: &ItemOutcome) {
        if let Err(Rejection { reason: Reason::Internal, detail }) = outcome {
            let Partition { kind, number: partition } = record.partition;
            let (topic, offset, trace_id) = (self.finisher.topics.input(kind), record.offset, record.trace_id());
            error!(
                topic,
                partition,
                offset,
                trace_id,
                detail,
                "an event is not applied because of a defect; its record is rejected"
            );
        }
    }

    fn place(&self, record: &OriginalRecord) -> Option<Coordinates<'_>> {
        let Partition { kind, number } = record.partition;
        Some(Coordinates { topic: self.finisher.topics.input(kind), partition: number, offset: record.offset })
    }
}

/// The next records within the limits. Records whose partition was given up meanwhile are dropped.
fn next_batch(waiting: &mut VecDeque<Work>, limits: BatchLimits, assignment: &LiveAssignment) -> Vec<Work> {
    let mut batch: Vec<Work> = Vec::with_capacity(waiting.len());
    let mut bytes = 0;
    for is_current in assignment.are_current(waiting.iter().map(|work| work.ticket)) {
        let Some(work) = waiting.pop_front() else { break };
        if is_current {
            bytes += work.bytes();
            batch.push(work);
        }
        if batch.len() >= limits.records || bytes >= limits.bytes {
            break;
        }
    }
    batch
}

fn finish(record: OriginalRecord, outcome: ItemOutcome, ran_in: Histories) -> (RecordOutcome, Finish<Box<Rejected>>) {
    match outcome {
        Ok(outcome) => (
            match outcome {
                Outcome::Applied => RecordOutcome::Applied,
                Outcome::Unchanged => RecordOutcome::Unchanged,
                Outcome::Stale => RecordOutcome::Stale,
            },
            Finish::Accepted(ran_in),
        ),
        Err(rejection) => {
            let is_neutral = rejection.reason == Reason::UnknownUser;
            let rejected = Box::new(Rejected { record, rejection });
            let finish = if is_neutral { Finish::Neutral(rejected) } else { Finish::Rejected(rejected) };
            (RecordOutcome::DeadLettered, finish)
        }
    }
}
