//! Verdicts on the consumer group: what it may, where it stands, who is in it.

use super::{Facts, Needs, Partition};
use crate::config::Start;
use crate::doctor::finding::{Check, Finding, Untold};
use crate::doctor::words::{count, grouped, span};

const RIGHTS: Check = Check::kafka("rights");
const OFFSETS: Check = Check::kafka("offsets");
const LAG: Check = Check::kafka("lag");
const GROUP: Check = Check::kafka("group");

/// What this user may, as far as reading shows it: to try the rest would change something.
pub(super) fn rights(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    let tails = facts.inputs().filter_map(|topic| topic.tail.as_ref()?.as_ref().err());
    let refusals = tails.chain(facts.committed.as_ref().err()).filter(|untold| untold.denied);
    let mut findings: Vec<Finding> =
        refusals.map(|untold| RIGHTS.problem(format!("{}.", untold.why), untold.advice.clone())).collect();
    if findings.is_empty() {
        findings.push(RIGHTS.ok(format!(
            "the input topics that exist and the group's offsets can be read; Read on group {} (to join and commit) and Write on \
             the other two topics show only when they are used, and are not tried here.",
            needs.group
        )));
    }
    findings
}

/// The partitions of the input topics with what is committed and what is there.
fn places(facts: &Facts) -> impl Iterator<Item = (&str, &Partition, (i64, i64))> {
    facts.inputs().flat_map(|topic| {
        topic.existing().iter().filter_map(|partition| Some((topic.name.as_str(), partition, partition.range?)))
    })
}

/// Whether every committed offset is still in its partition.
pub(super) fn offsets(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    if let Err(untold) = &facts.committed {
        return vec![OFFSETS.unchecked(format!("Where group {} stands", needs.group), untold)];
    }
    let mut findings: Vec<Finding> = places(facts)
        .filter_map(|(topic, partition, (low, high))| {
            let offset = partition.committed?;
            let lost = if offset < low {
                let gone = u64::try_from(low - offset).unwrap_or_default();
                format!("retention has passed us, and {} deleted unread", count(gone, "record was", "records were"))
            } else if offset > high {
                "the topic was truncated or recreated".to_owned()
            } else {
                return None;
            };
            Some(OFFSETS.problem(
                format!(
                    "group {} stands at {offset} of {topic} [{}], which has {low} to {high}: {lost}.",
                    needs.group, partition.number
                ),
                format!(
                    "See \"An offset is out of range\" in the runbook; the policy is {} now.",
                    needs.out_of_range.as_str()
                ),
            ))
        })
        .collect();
    let unsaid =
        facts.inputs().flat_map(|topic| topic.existing()).filter(|partition| partition.range.is_none()).count();
    if unsaid > 0 {
        let untold = Untold::failed("the brokers did not say in time where they begin and end");
        findings.push(OFFSETS.unchecked(count(unsaid as u64, "partition", "partitions"), &untold));
    }
    if findings.is_empty() && places(facts).next().is_some() {
        let new = places(facts).filter(|(_, partition, _)| partition.committed.is_none()).count() as u64;
        findings.push(OFFSETS.ok(match new {
            0 => "every committed offset is in its partition.".to_owned(),
            _ => format!(
                "the group has no offset for {}, which it begins at the {} record; all others are in range.",
                count(new, "partition", "partitions"),
                needs.start.as_str()
            ),
        }));
    }
    findings
}

/// How far the group is behind; where it has no offset yet, from where it begins.
pub(super) fn lag(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    if facts.committed.is_err() {
        return Vec::new();
    }
    let lags: Vec<(&str, i32, u64)> = places(facts)
        .map(|(topic, partition, (low, high))| {
            let first = match needs.start {
                Start::Earliest => low,
                Start::Latest => high,
            };
            let next = partition.committed.unwrap_or(first).max(low);
            (topic, partition.number, u64::try_from(high - next).unwrap_or_default())
        })
        .collect();
    let Some((topic, number, most)) = lags.iter().max_by_key(|(_, _, lag)| *lag) else { return Vec::new() };
    let all: u64 = lags.iter().map(|(_, _, lag)| lag).sum();
    vec![LAG.ok(if all == 0 {
        "everything is read.".to_owned()
    } else {
        format!(
            "{} to be read, of them {} in {topic} [{number}].",
            count(all, "record is", "records are"),
            grouped(*most)
        )
    })]
}

/// Who is in the group, and what becomes of its offsets if nobody is.
pub(super) fn members(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    let group = &needs.group;
    let members = match &facts.members {
        Ok(members) => *members,
        Err(untold) => return vec![GROUP.unchecked(format!("Who is in group {group}"), untold)],
    };
    if members > 0 {
        return vec![GROUP.ok(format!("{} in group {group}.", count(members, "process is", "processes are")))];
    }
    let has_offsets = places(facts).any(|(_, partition, _)| partition.committed.is_some());
    if !has_offsets {
        return vec![GROUP.ok(format!("no process is in group {group}, and it has no offsets yet."))];
    }
    let kept = match &facts.offsets_retention {
        Ok(kept) => span(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX)),
        Err(untold) => {
            return vec![
                GROUP.unchecked(format!("No process is in group {group}, and how long its offsets are kept"), untold),
            ];
        }
    };
    let alone = format!("no process is in group {group}; {kept} after the last has left, its offsets are forgotten");
    match needs.start {
        Start::Earliest => vec![GROUP.ok(format!("{alone}, and it reads everything again, which changes nothing."))],
        Start::Latest => vec![GROUP.warning(
            format!("{alone}, and what came meanwhile is never read (kafka.start is latest)."),
            "Start the service before, or with kafka.start=earliest.",
        )],
    }
}
