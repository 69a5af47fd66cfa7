//! The findings on positions, from made-up facts.

use uuid::Uuid;

use super::*;
use crate::config::{InitialOffset, OutOfRange};
use crate::kafka::committed::Committed;
use crate::store::history::History;
use crate::store::positions::{PartitionKey, StoredPosition};
use crate::store::positions_of_groups::ListedPositions;

const PRESENT: History = History(2);

fn partition(number: i32) -> PartitionFacts {
    PartitionFacts {
        topic: "onboarding".to_owned(),
        key: PartitionKey { topic_id: Uuid::from_u128(7), partition: number },
        committed: Some(Committed::Ours { offset: 50, revision: 1 }),
        row: PositionRow::Stored(StoredPosition { next_offset: 50, history: Some(PRESENT) }),
        age: Some(Duration::from_secs(1)),
        range: Ok((10, 100)),
    }
}

fn healthy() -> GroupFacts {
    GroupFacts {
        group: "g".to_owned(),
        initial: InitialOffset::Earliest,
        out_of_range: OutOfRange::Stop,
        members: 2,
        partitions: vec![partition(0), partition(1), partition(2)],
        stored: ListedPositions { rows: Vec::new(), present: PRESENT },
    }
}

/// All findings that are not ok, after `change`: `status check: finding`.
fn found(change: impl FnOnce(&mut GroupFacts)) -> Vec<String> {
    let (mut facts, mut found) = (healthy(), Findings::of("positions"));
    change(&mut facts);
    evaluate(&facts, &mut found);
    found.noteworthy()
}

/// Asserts one finding, which starts with `beginning` and ends with `end`.
fn assert_found(change: impl FnOnce(&mut GroupFacts), beginning: &str, end: &str) {
    let found = found(change);
    assert!(found.len() == 1 && found[0].starts_with(beginning) && found[0].ends_with(end), "{found:#?}");
}

fn at(next_offset: i64, history: Option<History>) -> PositionRow {
    PositionRow::Stored(StoredPosition { next_offset, history })
}

#[test]
fn a_healthy_group_is_all_ok_with_and_without_processes() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
    let stopped = |facts: &mut GroupFacts| {
        facts.members = 0;
        facts.partitions[0].age = Some(Duration::from_secs(86_400));
    };
    assert_eq!(found(stopped), Vec::<String>::new());
    assert_eq!(found(|facts| facts.partitions[0].row = PositionRow::Added).len(), 1, "the committed offset is there");
    let new = |facts: &mut GroupFacts| {
        (facts.partitions[0].row, facts.partitions[0].committed) = (PositionRow::NeverStarted, None);
    };
    assert_eq!(found(new), Vec::<String>::new());
}

#[test]
fn a_start_that_stops_is_a_problem_once_for_each_cause_and_one_that_skips_a_warning() {
    let none = |facts: &mut GroupFacts| {
        facts.partitions[0].row = PositionRow::NeverStarted;
        facts.partitions[2].row = PositionRow::NeverStarted;
    };
    let beginning =
        "problem starts: the next start of onboarding [0] and 1 more partition stops with exit code 3: the group";
    assert_found(none, beginning, "the database has no position: it is empty, or another one.");
    let past_the_end = |facts: &mut GroupFacts| facts.partitions[1].row = at(101, Some(PRESENT));
    let end = "offset 101 is past the partition's end 100.";
    assert_found(
        past_the_end,
        "problem starts: the next start of onboarding [1] stops with exit code 3: Kafka lost",
        end,
    );
    let deleted = |facts: &mut GroupFacts| facts.partitions[1].range = Ok((60, 100));
    let beginning = "problem starts: the next start of onboarding [1] stops with exit code 3: 10 records were deleted";
    assert_found(deleted, beginning, ".");
    let both = |facts: &mut GroupFacts| {
        none(facts);
        past_the_end(facts);
    };
    assert_eq!(found(both).len(), 2);
    let allowed = |facts: &mut GroupFacts| {
        past_the_end(facts);
        facts.out_of_range = OutOfRange::Latest;
    };
    assert_found(allowed, "warning starts: the next start of onboarding [1] goes on at 100: Kafka lost", end);
    let silent = |facts: &mut GroupFacts| facts.partitions[0].range = Err("no leader".to_owned());
    assert_found(silent, "unchecked starts: The range of onboarding [0] could not be checked: no leader.", "");
}

#[test]
fn a_position_that_no_process_of_the_group_writes_is_a_problem() {
    let old = |facts: &mut GroupFacts| {
        facts.partitions[1].age = Some(Duration::from_secs(31));
        facts.partitions[2].age = Some(Duration::from_secs(400));
    };
    let beginning = "problem written: the position of onboarding [1] and 1 more partition was not written for 6m 40s, though \
                     the group has 2 processes";
    assert_found(old, beginning, "");
    let recent = |facts: &mut GroupFacts| facts.partitions[1].age = Some(Duration::from_secs(30));
    assert_eq!(found(recent), Vec::<String>::new());
}

#[test]
fn a_loss_that_is_not_repaired_is_a_warning() {
    let ahead = |facts: &mut GroupFacts| facts.partitions[0].row = at(50, None);
    assert_found(ahead, "warning history: segment-changed may be ahead", "onboarding [0] is not repaired.");
    let earlier = |facts: &mut GroupFacts| {
        facts.members = 0;
        facts.partitions[0].row = at(50, Some(History(1)));
    };
    assert_found(earlier, "warning history: the server was started anew or replaced", "");
    let noticed_soon = |facts: &mut GroupFacts| facts.partitions[0].row = at(50, Some(History(1)));
    assert_eq!(found(noticed_soon), Vec::<String>::new());
}
