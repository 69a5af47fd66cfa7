//! Redrives dead letters: decodes them as from their original topics and folds them, in batches.

use super::selection::{Filter, Seen, Selected, Selection};
use super::tally::{NotRedrivable, RedriveOutcome, Tally};
use crate::codec::Decoded;
use crate::domain::event::{Event, Kind, Rejection};
use crate::ingest::dead_letter_reader::DeadLetter;
use crate::ingest::record::Rejected;
use crate::ingest::worker::BatchLimits;
use crate::jobs::LAST_WORK;
use crate::kafka::client::Topics;
use crate::kafka::topic_reader::{ReadError, Source};
use crate::output::{BatchWriter, Destination, Refused};
use crate::registry::decoder::Decoder;
use crate::runtime::halt::Halt;
use crate::runtime::stop::Stop;
use crate::store::Store;
use crate::store::apply::Progress;
use crate::store::dry_run::DryRun;
use crate::store::task::ItemOutcome;
use crate::store::task::Task;

/// The settings of a redrive.
#[derive(Debug, Clone)]
pub struct RedriveOptions {
    pub source: Source,
    pub filter: Filter,
    pub rules: Rules,
    /// The maximum number of dead letters.
    pub limit: u64,
    pub batch: BatchLimits,
    pub output: Destination,
    /// Whether to write; otherwise it is a dry run.
    pub execute: bool,
}

/// The rules by which a dead letter is decoded or left.
#[derive(Debug, Clone)]
pub struct Rules {
    pub topics: Topics,
    pub decoder: Decoder,
    /// A dead letter with this many attempts is not tried again.
    pub max_attempts: u32,
}

impl Rules {
    /// Decodes the original under its own coordinates and at its own time.
    ///
    /// # Errors
    /// Outer: the schema registry, which has the value's schema, is unavailable. Inner: the dead letter cannot or must
    /// not be tried again.
    pub async fn decode(&self, dead_letter: &DeadLetter) -> Result<Result<(Kind, Decoded), NotRedrivable>, Halt> {
        let Some(kind) = self.topics.kind_of(&dead_letter.origin.topic) else {
            return Ok(Err(NotRedrivable::UnknownTopic));
        };
        let Some(original) = dead_letter.original(kind) else { return Ok(Err(NotRedrivable::Truncated)) };
        if dead_letter.attempts >= self.max_attempts {
            return Ok(Err(NotRedrivable::AttemptsExhausted));
        }
        let decoded = self.decoder.decode(&original, dead_letter.schema_header()).await?;
        Ok(Ok((kind, decoded)))
    }
}

/// The result of a redrive, also of one that was halted.
#[derive(Debug, Default)]
pub struct RedriveReport {
    pub seen: Seen,
    pub tally: Tally,
    pub halted: Option<Halt>,
}

/// Redrives; calls `each` with each dead letter and its outcome.
pub async fn run(
    settings: &RedriveOptions,
    store: Store,
    stop: &Stop,
    each: &mut (dyn FnMut(&Selected, RedriveOutcome) + Send),
) -> RedriveReport {
    let mut report = RedriveReport::default();
    let redriving = stop.until_requested_and(LAST_WORK, redrive(settings, store, stop, each, &mut report));
    let ended = redriving.await.unwrap_or(Err(Halt::Interrupted));
    report.halted = ended.err();
    report
}

async fn redrive(
    settings: &RedriveOptions,
    store: Store,
    stop: &Stop,
    each: &mut (dyn FnMut(&Selected, RedriveOutcome) + Send),
    report: &mut RedriveReport,
) -> Result<(), Halt> {
    let (source, filter) = (settings.source.clone(), settings.filter.clone());
    let mut selection = blocking(move || Selection::open(&source, filter)).await??;
    report.seen = selection.seen().clone();
    let mut mode = if settings.execute {
        Mode::Execute(Box::new(BatchWriter::start(store, &settings.output, stop.clone()).await?))
    } else {
        Mode::DryRun(DryRun::of_events(store)?)
    };
    let mut ended = Ok(());
    loop {
        let (batch, left) = (settings.batch, settings.limit.saturating_sub(report.tally.considered));
        let (given_back, next) = blocking(move || {
            let next = next_batch(&mut selection, batch, left);
            (selection, next)
        })
        .await?;
        selection = given_back;
        ended = match next {
            Ok(dead_letters) if dead_letters.is_empty() => break,
            Ok(dead_letters) => mode.redrive(dead_letters, &settings.rules, each, &mut report.tally).await,
            Err(error) => Err(error.into()),
        };
        if ended.is_err() || stop.is_requested() {
            break;
        }
    }
    // Stored changes are published even after a halt.
    ended.and(mode.finish(stop).await)
}

/// The next dead letters, within the limits of a batch.
fn next_batch(selection: &mut Selection, limits: BatchLimits, left: u64) -> Result<Vec<Selected>, ReadError> {
    let most = usize::try_from(left).unwrap_or(usize::MAX).min(limits.records);
    let (mut dead_letters, mut bytes) = (Vec::new(), 0);
    while dead_letters.len() < most && bytes < limits.bytes {
        let Some(selected) = selection.next_selected()? else { break };
        bytes += selected.dead_letter.size();
        dead_letters.push(selected);
    }
    Ok(dead_letters)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Halt> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Halt::Failed(error.to_string()))
}

/// Whether a redrive writes.
enum Mode {
    DryRun(DryRun),
    Execute(Box<BatchWriter>),
}

impl Mode {
    async fn redrive(
        &mut self,
        dead_letters: Vec<Selected>,
        rules: &Rules,
        each: &mut (dyn FnMut(&Selected, RedriveOutcome) + Send),
        tally: &mut Tally,
    ) -> Result<(), Halt> {
        let (mut events, mut folding, mut ended) = (Vec::new(), Vec::new(), Vec::with_capacity(dead_letters.len()));
        for selected in dead_letters {
            match rules.decode(&selected.dead_letter).await? {
                Err(why) => ended.push((selected, End::RedriveOutcome(RedriveOutcome::NotRedrivable(why)))),
                Ok((_, Decoded::Skipped(skip))) => {
                    ended.push((selected, End::RedriveOutcome(RedriveOutcome::Skipped(skip))))
                }
                Ok((kind, Decoded::Rejected(rejection))) => ended.push((selected, End::Rejected(kind, rejection))),
                Ok((kind, Decoded::Event(event))) => {
                    events.push(event);
                    folding.push((selected, kind));
                }
            }
        }
        let outcomes = if events.is_empty() { Vec::new() } else { self.fold(&events, tally).await? };
        for ((selected, kind), outcome) in folding.into_iter().zip(outcomes) {
            let end = match outcome {
                Ok(outcome) => End::RedriveOutcome(RedriveOutcome::Merged(outcome)),
                Err(rejection) => End::Rejected(kind, rejection),
            };
            ended.push((selected, end));
        }
        let mut again = Vec::new();
        for (selected, end) in ended {
            let outcome = match &end {
                End::RedriveOutcome(outcome) => *outcome,
                End::Rejected(_, rejection) => RedriveOutcome::StillRejected(rejection.reason),
            };
            tally.considered += 1;
            tally.superseded += u64::from(selected.times.saturating_sub(1));
            tally.count(outcome);
            each(&selected, outcome);
            if let End::Rejected(kind, rejection) = end {
                again.extend(rejected_again(selected, kind, rejection));
            }
        }
        match self {
            Self::Execute(writer) if !again.is_empty() => writer.reject(again).await,
            Self::Execute(_) | Self::DryRun(_) => Ok(()),
        }
    }

    /// The outcome of each event.
    async fn fold(&mut self, events: &[Event], tally: &mut Tally) -> Result<Vec<ItemOutcome>, Halt> {
        match self {
            Self::Execute(writer) => {
                let written = writer.write(Progress::new(events)).await?;
                tally.changes += written.changes;
                Ok(written.outcomes)
            }
            Self::DryRun(dry_run) => {
                let outcomes = dry_run.advance(Task::Merge(events)).await?;
                tally.changes = dry_run.forecast().changes;
                Ok(outcomes)
            }
        }
    }

    async fn finish(self, stop: &Stop) -> Result<(), Halt> {
        match self {
            Self::Execute(writer) => writer.finish().await,
            Self::DryRun(_) if stop.is_requested() => Err(Halt::Interrupted),
            Self::DryRun(_) => Ok(()),
        }
    }
}

/// The end of a dead letter in its batch.
enum End {
    RedriveOutcome(RedriveOutcome),
    Rejected(Kind, Rejection),
}

fn rejected_again(selected: Selected, kind: Kind, rejection: Rejection) -> Option<Refused> {
    let attempts = selected.dead_letter.attempts.saturating_add(1);
    let record = selected.dead_letter.into_original(kind)?;
    Some(Refused { rejected: Rejected { record, rejection }, attempts })
}
