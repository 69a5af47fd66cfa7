//! Checks of the positions: whether each partition can start, its position is written, and no loss is left to repair. The
//! judgement is pure.

use std::time::Duration;

use tokio::time::timeout;

use super::Subject;
use super::finding::{Findings, Unknown};
use super::words::{count, span};
use crate::checks::positions::{self, GroupFacts, PartitionFacts};
use crate::ingest::start_table::OutOfRangeCause;
use crate::store::positions::PositionRow;

/// The deadline of all requests.
const ANSWERS: Duration = Duration::from_secs(30);

/// A position is written once a second, and not while its partition is drained or changes its owner.
const LONG: Duration = Duration::from_secs(30);

/// Runs all checks of the positions. Kafka and the database answer; without an answer here, the cause is most likely one of
/// `problems` that they have.
pub(super) async fn check(subject: &Subject<'_>, problems: bool) -> Findings {
    let mut found = Findings::of("positions");
    let gathered = timeout(ANSWERS, positions::gather(&subject.config.kafka, &subject.topics, &subject.pool)).await;
    let gathered = gathered.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {ANSWERS:?}")));
    match gathered {
        Ok(facts) => evaluate(&facts, &mut found),
        Err(_) if problems => {}
        Err(error) => {
            found.begin("starts");
            found.unchecked("The positions", &Unknown::failed(format!("{error:#}")));
        }
    }
    found
}

fn evaluate(facts: &GroupFacts, found: &mut Findings) {
    starts(facts, found);
    written(facts, found);
    history(facts, found);
}

/// Whether a start of each partition needs no operator.
fn starts(facts: &GroupFacts, found: &mut Findings) {
    found.begin("starts");
    let policy = facts.out_of_range.as_str();
    let remedy = format!("See \"An offset is out of range\" in the runbook; kafka.out_of_range is {policy}.");
    let mut stops: Vec<(OutOfRangeCause, Vec<&PartitionFacts>)> = Vec::new();
    for partition in &facts.partitions {
        let place = place(partition);
        match (facts.start(partition), &partition.range) {
            (Some(Err(cause)), _) => {
                match stops
                    .iter_mut()
                    .find(|(other, _)| std::mem::discriminant(other) == std::mem::discriminant(&cause))
                {
                    Some((_, partitions)) => partitions.push(partition),
                    None => stops.push((cause, vec![partition])),
                }
            }
            (Some(Ok(start)), _) => {
                if let Some(cause) = start.skipped {
                    found.warning(format!("the next start of {place} goes on at {}: {cause}.", start.at), &*remedy);
                }
            }
            (None, Err(why)) => found.unchecked(format!("The range of {place}"), &Unknown::failed(why)),
            (None, Ok(_)) => {}
        }
    }
    for (cause, partitions) in stops {
        found.problem(format!("the next start of {} stops with exit code 3: {cause}.", places(&partitions)), &*remedy);
    }
    found.ok(format!("each of {} can start.", count(facts.partitions.len() as u64, "partition", "partitions")));
}

/// Whether the processes of the group write the positions of all partitions.
fn written(facts: &GroupFacts, found: &mut Findings) {
    found.begin("written");
    if facts.members == 0 {
        return found.ok("no process is in the group.");
    }
    let is_old = |partition: &&PartitionFacts| partition.age.is_some_and(|age| age > LONG);
    let old: Vec<_> = facts.partitions.iter().filter(is_old).collect();
    if let Some(oldest) = old.iter().filter_map(|partition| partition.age).max() {
        found.problem(
            format!(
                "the position of {} was not written for {}, though the group has {}: its events are not applied, or none of \
                 its offsets is committed.",
                places(&old),
                span(oldest.as_secs() * 1_000),
                count(facts.members, "process", "processes"),
            ),
            "Readiness names the reason; see \"A partition is not read\" in the runbook.",
        );
    }
    found.ok(format!("no position is older than {LONG:?}."));
}

/// Whether a loss of the database's commits is left to repair.
fn history(facts: &GroupFacts, found: &mut Findings) {
    found.begin("history");
    let remedy = if facts.members == 0 {
        "Start the service: up to the partition's end it publishes every user that it meets."
    } else {
        "Wait until the lag is gone; see \"The database went back in time\" in the runbook."
    };
    let with = |is_meant: &dyn Fn(Option<_>) -> bool| -> Vec<&PartitionFacts> {
        let partitions = facts.partitions.iter();
        partitions
            .filter(|one| matches!(one.row, PositionRow::Stored(position) if is_meant(position.history)))
            .collect()
    };
    let ahead = with(&|history| history.is_none());
    if !ahead.is_empty() {
        let finding = format!(
            "segment-changed may be ahead of the database, which went back: {} is not repaired.",
            places(&ahead)
        );
        found.warning(finding, remedy);
    }
    let present = facts.stored.present;
    let earlier = with(&|history| history.is_some_and(|history| history != present));
    // A process that reads the partition finds that out within a second.
    if !earlier.is_empty() && facts.members == 0 {
        let finding = format!(
            "the server was started anew or replaced ({present}) since the position of {} was written: commits may be lost, \
             and segment-changed may be ahead of the database.",
            places(&earlier),
        );
        found.warning(finding, remedy);
    }
    found.ok("every position was written on the present server.");
}

fn place(partition: &PartitionFacts) -> String {
    format!("{} [{}]", partition.topic, partition.key.partition)
}

/// `onboarding [0] and 2 more partitions`.
fn places(partitions: &[&PartitionFacts]) -> String {
    let Some((first, more)) = partitions.split_first() else { return String::new() };
    match more.len() as u64 {
        0 => place(first),
        more => format!("{} and {}", place(first), count(more, "more partition", "more partitions")),
    }
}

#[cfg(test)]
mod tests;
