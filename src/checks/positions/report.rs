//! The facts as a report: a line a partition, then the rows of other topics and other groups.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::{GroupFacts, PartitionFacts};
use crate::checks::found::Found;
use crate::ingest::start_table::OutOfRangeCause;
use crate::kafka::committed::Committed;
use crate::store::positions::{PositionRow, StoredPosition};
use crate::store::positions_of_groups::ListedPosition;

/// The report of `segmenter positions`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    group: String,
    /// The number of processes in the group.
    members: u64,
    server_started: String,
    partitions: Vec<Line>,
    /// Rows of the group for topics that are not the present ones, most likely deleted.
    other_topics: Vec<OtherTopic>,
    other_groups: Vec<OtherGroup>,
    /// Of partitions that cannot start.
    pub findings: Vec<Found>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    topic: String,
    partition: i32,
    first: Option<i64>,
    end: Option<i64>,
    committed: Option<i64>,
    committed_by: Option<&'static str>,
    position: Option<i64>,
    /// The start of the server that wrote the position.
    history: Option<String>,
    age_seconds: Option<u64>,
    /// The records that a start would read.
    lag: Option<i64>,
    start: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OtherTopic {
    topic_id: Uuid,
    partitions: u64,
    age_seconds: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OtherGroup {
    group: String,
    partitions: u64,
    age_seconds: u64,
}

impl From<&GroupFacts> for Report {
    fn from(facts: &GroupFacts) -> Self {
        let GroupFacts { group, members, partitions, stored, .. } = facts;
        let is_present = |topic| partitions.iter().any(|partition| partition.key.topic_id == topic);
        let of_others = stored.of(group).filter(|row| !is_present(row.key.topic_id));
        let topics = counted(of_others.map(|row| (row.key.topic_id, row)));
        let groups = counted(stored.rows.iter().filter(|row| row.group != *group).map(|row| (&row.group, row)));
        Self {
            group: group.clone(),
            members: *members,
            server_started: stored.present.to_string(),
            partitions: partitions.iter().map(|partition| Line::of(facts, partition)).collect(),
            other_topics: topics
                .into_iter()
                .map(|(topic_id, (partitions, age_seconds))| OtherTopic { topic_id, partitions, age_seconds })
                .collect(),
            other_groups: groups
                .into_iter()
                .map(|(group, (partitions, age_seconds))| OtherGroup { group: group.clone(), partitions, age_seconds })
                .collect(),
            findings: stops(facts),
        }
    }
}

/// The partitions that cannot start, by cause.
fn stops(facts: &GroupFacts) -> Vec<Found> {
    let mut stops: Vec<Found> = Vec::new();
    for cause in facts.partitions.iter().filter_map(|partition| facts.start(partition)?.err()) {
        let found = stop(cause);
        match stops.iter_mut().find(|other| other.check == found.check) {
            Some(other) => other.count += 1,
            None => stops.push(found),
        }
    }
    stops
}

fn stop(cause: OutOfRangeCause) -> Found {
    const EARLIEST: &str = "segmenter serve --kafka-out-of-range earliest";
    let (check, meaning, note) = match cause {
        OutOfRangeCause::NoPosition { .. } => (
            "no-position",
            "partitions with a committed offset and without a position",
            "check first that it is the right database",
        ),
        OutOfRangeCause::Recreated { .. } => {
            ("recreated", "partitions whose topic was deleted and created anew", "for one run")
        }
        OutOfRangeCause::PastEnd { .. } => (
            "past-end",
            "partitions of which Kafka has lost records",
            "find the cause first: an unclean election, a restored cluster",
        ),
        OutOfRangeCause::Deleted { .. } => (
            "deleted",
            "partitions with records that were deleted before they were read",
            "for one run; then `segmenter backfill --execute` for users of whom the platform has a profile",
        ),
    };
    Found { check, count: 1, meaning, command: EARLIEST.into(), note }
}

/// By key, the number of rows and the age of the youngest in seconds.
fn counted<'a, K: Ord>(rows: impl Iterator<Item = (K, &'a ListedPosition)>) -> BTreeMap<K, (u64, u64)> {
    let mut counted = BTreeMap::new();
    for (key, row) in rows {
        let (number, youngest) = counted.entry(key).or_insert((0, u64::MAX));
        *number += 1;
        *youngest = row.age.as_secs().min(*youngest);
    }
    counted
}

impl Line {
    fn of(facts: &GroupFacts, partition: &PartitionFacts) -> Self {
        let (committed, committed_by) = match partition.committed {
            Some(Committed::Ours { offset, .. }) => (Some(offset), Some("segmenter")),
            Some(Committed::OfAnotherTopic { offset }) => (Some(offset), Some("segmenter, of a deleted topic")),
            Some(Committed::Foreign { offset }) => (Some(offset), Some("another program")),
            None => (None, None),
        };
        let position = match partition.row {
            PositionRow::Stored(position) => Some(position),
            PositionRow::Added | PositionRow::NeverStarted => None,
        };
        let range = partition.range.as_ref().ok();
        let at = facts.start(partition).and_then(Result::ok).map(|start| start.at);
        Self {
            topic: partition.topic.clone(),
            partition: partition.key.partition,
            first: range.map(|(first, _)| *first),
            end: range.map(|(_, end)| *end),
            committed,
            committed_by,
            position: position.map(|position| position.next_offset),
            history: position.map(history),
            age_seconds: partition.age.as_ref().map(Duration::as_secs),
            lag: at.zip(range).map(|(at, (_, end))| end - at),
            start: start(facts, partition),
        }
    }
}

fn history(position: StoredPosition) -> String {
    position.history.map_or_else(|| "topic may be ahead".to_owned(), |history| history.to_string())
}

/// The effect of a start, in a few words.
fn start(facts: &GroupFacts, partition: &PartitionFacts) -> String {
    match (facts.start(partition), &partition.range) {
        (None, Err(why)) => format!("waits: {why}"),
        (None, Ok(_)) => String::new(),
        (Some(Err(cause)), _) => format!("stops with exit code 3: {cause}"),
        (Some(Ok(start)), range) => {
            let end = range.as_ref().map_or(start.at, |(_, end)| *end);
            let repairs = if start.repairs { format!(", publishes again up to {end}") } else { String::new() };
            let skipped = start.skipped.map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("at {}{repairs}{skipped}", start.at)
        }
    }
}

#[cfg(test)]
mod tests;
