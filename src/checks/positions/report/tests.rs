//! The report, from made-up facts.

use serde_json::{Value, json};

use super::*;
use crate::config::{InitialOffset, OutOfRange};
use crate::store::history::History;
use crate::store::positions::PartitionKey;
use crate::store::positions_of_groups::ListedPositions;

const PRESENT: History = History(1_769_673_600_007_123);
const EARLIER: History = History(1_769_673_599_000_000);
const TOPIC: Uuid = Uuid::from_u128(7);

fn partition(committed: Option<Committed>, position: Option<(i64, Option<History>)>) -> PartitionFacts {
    PartitionFacts {
        topic: "onboarding".to_owned(),
        key: PartitionKey { topic_id: TOPIC, partition: 0 },
        committed,
        row: position.map_or(PositionRow::NeverStarted, |(next_offset, history)| {
            PositionRow::Stored(StoredPosition { next_offset, history })
        }),
        age: position.map(|_| Duration::from_millis(1_900)),
        range: Ok((10, 100)),
    }
}

fn facts(partitions: Vec<PartitionFacts>) -> GroupFacts {
    GroupFacts {
        group: "g".to_owned(),
        initial: InitialOffset::Latest,
        out_of_range: OutOfRange::Stop,
        members: 2,
        partitions,
        stored: ListedPositions { rows: Vec::new(), present: PRESENT },
    }
}

fn ours(offset: i64) -> Option<Committed> {
    Some(Committed::Ours { offset, revision: 1 })
}

/// The line of a partition, without its topic, number and range.
fn line(partition: PartitionFacts) -> [Value; 7] {
    let report = serde_json::to_value(Report::from(&facts(vec![partition]))).unwrap();
    ["committed", "committedBy", "position", "history", "ageSeconds", "lag", "start"]
        .map(|name| report["partitions"][0][name].clone())
}

#[test]
fn a_line_shows_offset_position_history_age_lag_and_start_side_by_side() {
    let present = json!("2026-01-29T08:00:00.007Z");
    let goes_on = partition(ours(60), Some((60, Some(PRESENT))));
    let expected = [json!(60), json!("segmenter"), json!(60), present.clone(), json!(1), json!(40), json!("at 60")];
    assert_eq!(line(goes_on), expected);

    let earlier = json!("2026-01-29T07:59:59.000Z");
    let repairs = line(partition(ours(60), Some((50, Some(EARLIER)))));
    assert_eq!(repairs[2..], [json!(50), earlier, json!(1), json!(50), json!("at 50, publishes again up to 100")]);
    let unfinished = line(partition(ours(60), Some((50, None))));
    assert_eq!(unfinished[3], json!("topic may be ahead"));

    let moved = line(partition(Some(Committed::Foreign { offset: 90 }), Some((60, Some(PRESENT)))));
    assert_eq!(moved[1..], [json!("another program"), json!(60), present, json!(1), json!(10), json!("at 90")]);
    let new = line(partition(None, None));
    assert_eq!(new, [json!(null), json!(null), json!(null), json!(null), json!(null), json!(0), json!("at 100")]);
}

#[test]
fn a_start_that_is_refused_or_waits_is_named_with_its_cause() {
    let start = |facts: GroupFacts| {
        let report = Report::from(&facts);
        (!report.findings.is_empty(), report.partitions[0].start.clone(), report.partitions[0].lag)
    };
    let empty = || facts(vec![partition(ours(60), None)]);
    let cause = "the group has committed offset 60, and the database has no position: it is empty, or another one";
    assert_eq!(start(empty()), (true, format!("stops with exit code 3: {cause}"), None));
    let allowed = GroupFacts { out_of_range: OutOfRange::Earliest, ..empty() };
    assert_eq!(start(allowed), (false, format!("at 10, publishes again up to 100: {cause}"), Some(90)));
    let recreated = partition(Some(Committed::OfAnotherTopic { offset: 60 }), None);
    assert_eq!(line(recreated.clone())[1], json!("segmenter, of a deleted topic"));
    assert!(start(facts(vec![recreated])).0);
    let silent =
        PartitionFacts { range: Err("no leader".to_owned()), ..partition(ours(60), Some((60, Some(PRESENT)))) };
    assert_eq!(start(facts(vec![silent])), (false, "waits: no leader".to_owned(), None));
}

#[test]
fn rows_of_other_topics_and_of_other_groups_follow_counted() {
    let row = |group: &str, topic_id, partition, seconds| ListedPosition {
        group: group.to_owned(),
        key: PartitionKey { topic_id, partition },
        position: None,
        age: Duration::from_secs(seconds),
    };
    let deleted = Uuid::from_u128(8);
    let rows = vec![row("f", deleted, 0, 9), row("g", TOPIC, 0, 1), row("g", deleted, 0, 70), row("g", deleted, 1, 60)];
    let mut facts = facts(vec![partition(ours(60), Some((60, Some(PRESENT))))]);
    facts.stored.rows = rows;
    let report = serde_json::to_value(Report::from(&facts)).unwrap();
    assert_eq!(report["otherTopics"], json!([{"topicId": deleted, "partitions": 2, "ageSeconds": 60}]));
    assert_eq!(report["otherGroups"], json!([{"group": "f", "partitions": 1, "ageSeconds": 9}]));
    assert_eq!((&report["members"], &report["serverStarted"]), (&json!(2), &json!("2026-01-29T08:00:00.007Z")));
}
