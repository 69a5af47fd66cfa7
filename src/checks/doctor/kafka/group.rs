//! Verdicts on the consumer group: which rights it has, where it stands, which tombstones it meets, who is in it.

use super::{ClusterFacts, Partition, Tail};
use crate::checks::doctor::finding::{Findings, Unknown};
use crate::checks::doctor::words::{count, span};
use crate::config::InitialOffset;

/// How many of the newest records erase their users.
pub(super) fn null_records(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("tombstones");
    let mut seen = Tail { complete: true, ..Tail::default() };
    for topic in facts.inputs() {
        match &topic.tail {
            Some(Ok(tail)) => {
                let complete = seen.complete && tail.complete;
                seen = Tail { read: seen.read + tail.read, nulls: seen.nulls + tail.nulls, complete };
            }
            Some(Err(unknown)) => found.unchecked(format!("The content of {}", topic.name), unknown),
            None => {}
        }
    }
    if facts.inputs().all(|topic| topic.tail.is_none()) {
        return;
    }
    let read = count(seen.read, "record", "records");
    let partly = if seen.complete { "" } else { " (not all could be read in time)" };
    let nulls = count(seen.nulls, "is null and erases its user", "are null and erase their users");
    found.ok(format!("of the newest {read} of the input topics {nulls}{partly}."));
}

/// Which rights this user has, as far as reading shows it: to try the rest would change something.
pub(super) fn rights(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("rights");
    let tails = facts.inputs().filter_map(|topic| topic.tail.as_ref()?.as_ref().err());
    for refusal in tails.chain(facts.committed.as_ref().err()).filter(|unknown| unknown.denied) {
        found.problem(format!("{}.", refusal.why), refusal.remedy.clone());
    }
    found.ok(format!(
        "the input topics that exist and the group's offsets can be read; Read on group {} (to join and commit) and Write on \
         the other two topics show only when they are used, and are not tried here.",
        facts.group
    ));
}

/// The partitions of the input topics with their first and their next offset.
fn places(facts: &ClusterFacts) -> impl Iterator<Item = (&str, &Partition, (i64, i64))> {
    facts.inputs().flat_map(|topic| {
        topic.existing().iter().filter_map(|partition| Some((topic.name.as_str(), partition, partition.range?)))
    })
}

/// Whether every committed offset is still in its partition.
pub(super) fn offsets(facts: &ClusterFacts, found: &mut Findings) {
    let group = &facts.group;
    let subject = format!("Where group {group} stands");
    if found.begin_with("offsets", &subject, facts.committed.clone()).is_none() {
        return;
    }
    for (topic, partition, (low, high)) in places(facts) {
        let Some(offset) = partition.committed.filter(|offset| !(low..=high).contains(offset)) else { continue };
        let lost = if offset < low {
            let records = count(low.abs_diff(offset), "record was", "records were");
            format!("retention has passed us, and {records} deleted unread")
        } else {
            "the topic was truncated or recreated".to_owned()
        };
        found.problem(
            format!(
                "group {group} stands at {offset} of {topic} [{}], which has {low} to {high}: {lost}.",
                partition.number
            ),
            format!(
                "See \"An offset is out of range\" in the runbook; the policy is {} now.",
                facts.out_of_range.as_str()
            ),
        );
    }
    let silent =
        facts.inputs().flat_map(|topic| topic.existing()).filter(|partition| partition.range.is_none()).count();
    if silent > 0 {
        let unknown = Unknown::failed("the brokers did not answer in time where they begin and end");
        found.unchecked(count(silent as u64, "partition", "partitions"), &unknown);
    }
    if places(facts).next().is_none() {
        return;
    }
    found.ok(match places(facts).filter(|(_, partition, _)| partition.committed.is_none()).count() as u64 {
        0 => "every committed offset is in its partition.".to_owned(),
        new => format!(
            "the group has no offset for {}, which it begins at the {} record; all others are in range.",
            count(new, "partition", "partitions"),
            facts.start.as_str()
        ),
    });
}

/// How far the group is behind; where it has no offset yet, from where it begins.
pub(super) fn lag(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("lag");
    if facts.committed.is_err() {
        return;
    }
    let lag = |partition: &Partition, (low, high): (i64, i64)| {
        let first = if facts.start == InitialOffset::Earliest { low } else { high };
        u64::try_from(high - partition.committed.unwrap_or(first).max(low)).unwrap_or_default()
    };
    let lags = || places(facts).map(|(topic, partition, range)| (lag(partition, range), topic, partition.number));
    let Some((most, topic, number)) = lags().max_by_key(|(lag, ..)| *lag) else { return };
    found.ok(match lags().map(|(lag, ..)| lag).sum() {
        0 => "everything is read.".to_owned(),
        all => format!("{} to be read, of them {most} in {topic} [{number}].", count(all, "record is", "records are")),
    });
}

/// Who is in the group, and what becomes of its offsets while it is empty.
pub(super) fn members(facts: &ClusterFacts, found: &mut Findings) {
    let group = &facts.group;
    let subject = format!("Who is in group {group}");
    let Some(members) = found.begin_with("group", &subject, facts.members.clone()) else { return };
    if members > 0 {
        return found.ok(format!("{} in group {group}.", count(members, "process is", "processes are")));
    }
    if places(facts).all(|(_, partition, _)| partition.committed.is_none()) {
        return found.ok(format!("no process is in group {group}, and it has no offsets yet."));
    }
    let kept = match &facts.offsets_retention {
        Ok(kept) => span(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX)),
        Err(unknown) => {
            return found
                .unchecked(format!("No process is in group {group}, and how long its offsets are kept"), unknown);
        }
    };
    let alone = format!("no process is in group {group}; {kept} after the last has left, its offsets are forgotten");
    match facts.start {
        InitialOffset::Earliest => found.ok(format!("{alone}, and it reads everything again, which changes nothing.")),
        InitialOffset::Latest => found.warning(
            format!("{alone}, and records that arrive meanwhile are never read (kafka.initial_offset is latest)."),
            "InitialOffset the service before, or with kafka.initial_offset=earliest.",
        ),
    }
}
