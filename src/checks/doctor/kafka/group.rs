//! Findings on the consumer group: tombstones on its topics, identity and rights, lag, members.

use super::{ClusterFacts, Partition, Tail};
use crate::checks::doctor::finding::Findings;
use crate::checks::doctor::words::count;
use crate::config::InitialOffset;

/// How many of the newest records are tombstones.
pub(super) fn tombstones(facts: &ClusterFacts, found: &mut Findings) {
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
    let nulls = count(seen.nulls, "is a tombstone and erases its user", "are tombstones and erase their users");
    found.ok(format!("of the newest {read} of the input topics {nulls}{partly}."));
}

/// How this process logs in.
pub(super) fn identity(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("identity");
    found.ok(format!("the brokers admit {}.", facts.identity));
}

/// Whether this user has the rights to read. The other rights are not tried, because that would change something.
pub(super) fn rights(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("rights");
    let tails = facts.inputs().filter_map(|topic| topic.tail.as_ref()?.as_ref().err());
    for refusal in tails.chain(facts.committed.as_ref().err()).filter(|unknown| unknown.denied) {
        found.problem(format!("{}.", refusal.why), refusal.remedy.clone());
    }
    found.ok(format!(
        "the existing input topics and the group's offsets can be read; Read on group {} (to join and commit) and Write on \
         the other two topics are not checked, because that would change something.",
        facts.group
    ));
}

/// The partitions of the input topics, with their low and high watermarks.
fn places(facts: &ClusterFacts) -> impl Iterator<Item = (&str, &Partition, (i64, i64))> {
    facts.inputs().flat_map(|topic| {
        topic.existing().iter().filter_map(|partition| Some((topic.name.as_str(), partition, partition.range?)))
    })
}

/// The lag of the group; without a committed offset, from the offset at which it would start.
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
        0 => "the lag is 0.".to_owned(),
        all => format!("the lag is {}, of them {most} in {topic} [{number}].", count(all, "record", "records")),
    });
}

/// The members of the group.
pub(super) fn members(facts: &ClusterFacts, found: &mut Findings) {
    let group = &facts.group;
    let subject = format!("The members of group {group}");
    let Some(members) = found.begin_with("group", &subject, facts.members.clone()) else { return };
    found.ok(format!("{} in group {group}.", count(members, "process is", "processes are")));
}
