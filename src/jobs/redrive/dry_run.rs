//! The dry run of a redrive: the same decoding and the same fold, read only, with the outcome of each dead letter.

use super::outcome::RedriveOutcome;
use super::rules::Rules;
use super::selection::{Seen, Selected, Selection};
use super::topic;
use crate::codec::Decoded;
use crate::domain::event::Event;
use crate::jobs::control::Control;
use crate::jobs::records::MOST_BYTES;
use crate::jobs::spec::Redrive;
use crate::jobs::throttle::Throttle;
use crate::jobs::{LAST_WORK, Means, blocking};
use crate::kafka::topic_reader::ReadError;
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::dry_run::DryRun;
use crate::store::jobs::Counts;
use crate::store::task::Task;

/// The result, also of a dry run that was halted.
#[derive(Debug, Default)]
pub struct DryRunReport {
    pub seen: Seen,
    pub counts: Counts,
    /// Older dead letters of the same records.
    pub superseded: u64,
    /// Ranking changes that would be made.
    pub changes: u64,
    pub halted: Option<Halt>,
}

/// Calls `each` with each dead letter and the outcome that it would have.
pub async fn run(
    means: &Means,
    redrive: &Redrive,
    throttle: Throttle,
    each: &mut (dyn FnMut(&Selected, RedriveOutcome) + Send),
) -> DryRunReport {
    let mut report = DryRunReport::default();
    let running = means.stop.until_requested_and(LAST_WORK, fold_all(means, redrive, throttle, each, &mut report));
    let ended = running.await.unwrap_or(Err(Halt::Interrupted));
    report.halted = ended.err();
    report
}

async fn fold_all(
    means: &Means,
    redrive: &Redrive,
    throttle: Throttle,
    each: &mut (dyn FnMut(&Selected, RedriveOutcome) + Send),
    report: &mut DryRunReport,
) -> Result<(), Halt> {
    let (source, spans) = topic(means, redrive);
    let filter = redrive.filter.clone();
    let mut selection = blocking(move || Selection::open(&source, &spans, filter)).await??;
    report.seen = selection.seen().clone();
    let (rules, dry_run) = (Rules::new(means, redrive.max_attempts), DryRun::of_events(means.store.clone())?);
    let control = Control::of_dry_run(means, throttle)?;
    let limit = redrive.limit.unwrap_or(u64::MAX);
    loop {
        let left = usize::try_from(limit.saturating_sub(report.counts.items)).unwrap_or(usize::MAX);
        let most = control.throttle().batch_items().min(left);
        let (given_back, next) = blocking(move || {
            let next = next_batch(&mut selection, most);
            (selection, next)
        })
        .await?;
        selection = given_back;
        let dead_letters = next?;
        if dead_letters.is_empty() {
            return Ok(());
        }
        control.turn(dead_letters.len() as u64, false, |_| ()).await?;
        fold(dead_letters, &rules, &dry_run, each, report).await?;
        report.changes = dry_run.forecast().changes;
    }
}

/// The next dead letters, within the limits of a batch.
fn next_batch(selection: &mut Selection, most: usize) -> Result<Vec<Selected>, ReadError> {
    let (mut dead_letters, mut bytes) = (Vec::new(), 0);
    while dead_letters.len() < most && bytes < MOST_BYTES {
        let Some(selected) = selection.next_selected()? else { break };
        bytes += selected.dead_letter.size();
        dead_letters.push(selected);
    }
    Ok(dead_letters)
}

async fn fold(
    dead_letters: Vec<Selected>,
    rules: &Rules,
    dry_run: &DryRun,
    each: &mut (dyn FnMut(&Selected, RedriveOutcome) + Send),
    report: &mut DryRunReport,
) -> Result<(), Halt> {
    let mut count = |selected: &Selected, outcome: RedriveOutcome| {
        outcome.count(&mut report.counts);
        report.superseded += u64::from(selected.times.saturating_sub(1));
        each(selected, outcome);
    };
    let (mut events, mut folding): (Vec<Event>, Vec<Selected>) = Default::default();
    for selected in dead_letters {
        match rules.decode(&selected.dead_letter).await? {
            Err(why) => count(&selected, RedriveOutcome::NotRedrivable(why)),
            Ok((_, Decoded::Skipped(skip))) => count(&selected, RedriveOutcome::Skipped(skip)),
            Ok((_, Decoded::Rejected(rejection))) => count(&selected, RedriveOutcome::StillRejected(rejection.reason)),
            Ok((_, Decoded::Event(event))) => {
                events.push(event);
                folding.push(selected);
            }
        }
    }
    let outcomes = retry_until_deadline("PostgreSQL", || dry_run.advance(Task::Merge(&events))).await?;
    for (selected, outcome) in folding.iter().zip(outcomes) {
        count(
            selected,
            outcome.map_or_else(|rejection| RedriveOutcome::StillRejected(rejection.reason), RedriveOutcome::Merged),
        );
    }
    Ok(())
}
