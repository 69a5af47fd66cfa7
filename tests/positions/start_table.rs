//! Each row of the start table.

use segmenter::config::{InitialOffset, OutOfRange};
use segmenter::ingest::start_table::{Facts, OutOfRangeCause, Start};
use segmenter::kafka::committed::Committed;
use segmenter::store::history::History;
use segmenter::store::positions::{PositionRow, StoredPosition};

const PRESENT: History = History(2);
const EARLIER: History = History(1);

fn facts(committed: Option<Committed>, row: PositionRow) -> Facts {
    Facts { committed, row, present: PRESENT, low: 10, high: 100, rewinds: false }
}

fn ours(offset: i64) -> Option<Committed> {
    Some(Committed::Ours { offset, revision: 1 })
}

fn stored(next_offset: i64, history: History) -> PositionRow {
    PositionRow::Stored(StoredPosition { next_offset, history: Some(history) })
}

fn position(next_offset: i64, history: Option<History>) -> Option<StoredPosition> {
    Some(StoredPosition { next_offset, history })
}

fn start(facts: &Facts) -> Result<Start, OutOfRangeCause> {
    facts.start(InitialOffset::Earliest, OutOfRange::Stop)
}

fn at(at: i64, repairs: bool, position: Option<StoredPosition>) -> Result<Start, OutOfRangeCause> {
    Ok(Start { at, repairs, position, skipped: None })
}

#[test]
fn a_partition_goes_on_at_its_position_and_a_higher_committed_offset_proves_a_loss() {
    assert_eq!(start(&facts(ours(50), stored(40, PRESENT))), at(40, true, position(40, None)), "a commit was lost");
    assert_eq!(start(&facts(ours(50), stored(50, PRESENT))), at(50, false, None));
    assert_eq!(start(&facts(ours(50), stored(60, PRESENT))), at(60, false, None), "Kafka did not get the last commit");
}

#[test]
fn a_position_of_an_earlier_history_begins_a_repair_range_which_the_row_remembers() {
    assert_eq!(start(&facts(ours(50), stored(40, EARLIER))), at(40, true, position(40, None)));
    assert_eq!(start(&facts(ours(50), stored(60, EARLIER))), at(60, true, position(60, None)));
    let unfinished = PositionRow::Stored(StoredPosition { next_offset: 40, history: None });
    assert_eq!(start(&facts(ours(50), unfinished)), at(40, true, None), "an earlier repair did not reach its end");
    let rewinds = Facts { rewinds: true, ..facts(ours(40), stored(40, PRESENT)) };
    assert_eq!(start(&rewinds), at(40, true, position(40, None)), "two servers took turns");
}

#[test]
fn a_committed_offset_without_a_position_stops_at_an_empty_database_unless_the_policy_allows_it() {
    for row in [PositionRow::NeverStarted, PositionRow::Added] {
        let facts = facts(ours(50), row);
        let cause = OutOfRangeCause::NoPosition { committed: 50 };
        assert_eq!(start(&facts), Err(cause));
        let allowed = |policy| facts.start(InitialOffset::Earliest, policy).unwrap();
        let expected = |at| Start { at, repairs: true, position: position(at, None), skipped: Some(cause) };
        assert_eq!(allowed(OutOfRange::Earliest), expected(10));
        assert_eq!(allowed(OutOfRange::Latest), expected(100));
    }
}

#[test]
fn an_offset_of_another_topic_of_the_same_name_is_out_of_range() {
    for row in [PositionRow::NeverStarted, stored(40, PRESENT)] {
        let found = start(&facts(Some(Committed::OfAnotherTopic { offset: 50 }), row));
        assert_eq!(found, Err(OutOfRangeCause::Recreated { committed: 50 }));
    }
}

#[test]
fn an_offset_that_another_program_committed_counts_and_the_position_follows_it_downwards_too() {
    let foreign = Some(Committed::Foreign { offset: 50 });
    for row in [PositionRow::NeverStarted, PositionRow::Added, stored(40, PRESENT), stored(60, PRESENT)] {
        assert_eq!(start(&facts(foreign, row)), at(50, false, position(50, Some(PRESENT))));
    }
    assert_eq!(start(&facts(foreign, stored(60, EARLIER))), at(50, true, position(50, None)));
}

#[test]
fn a_position_alone_is_where_the_partition_goes_on() {
    assert_eq!(start(&facts(None, stored(40, PRESENT))), at(40, false, None));
    assert_eq!(start(&facts(None, stored(40, EARLIER))), at(40, true, position(40, None)));
}

#[test]
fn with_neither_the_partition_starts_at_the_initial_offset_as_a_number_and_an_added_one_at_its_beginning() {
    let found = |row, initial| facts(None, row).start(initial, OutOfRange::Stop);
    let expected = |offset| at(offset, false, position(offset, Some(PRESENT)));
    assert_eq!(found(PositionRow::NeverStarted, InitialOffset::Earliest), expected(10));
    assert_eq!(found(PositionRow::NeverStarted, InitialOffset::Latest), expected(100));
    assert_eq!(found(PositionRow::Added, InitialOffset::Latest), expected(10));
}

#[test]
fn a_position_past_the_partitions_end_is_of_records_that_kafka_lost() {
    for committed in [None, ours(50), Some(Committed::Foreign { offset: 50 })] {
        let facts = facts(committed, stored(101, PRESENT));
        assert_eq!(start(&facts), Err(OutOfRangeCause::PastEnd { offset: 101, high: 100 }));
        let allowed = facts.start(InitialOffset::Earliest, OutOfRange::Latest).unwrap();
        assert_eq!((allowed.at, allowed.position), (100, position(100, Some(PRESENT))), "the position is void");
    }
    assert_eq!(start(&facts(ours(100), stored(100, PRESENT))), at(100, false, None), "the end itself is in range");
}

#[test]
fn a_start_before_the_partitions_beginning_names_how_many_records_retention_took_and_the_backfill() {
    for committed in [None, ours(50)] {
        let cause = start(&facts(committed, stored(7, PRESENT))).unwrap_err();
        assert_eq!(cause, OutOfRangeCause::Deleted { offset: 7, low: 10 });
        assert!(
            cause.to_string().starts_with("3 records were deleted") && cause.to_string().contains("segmenter backfill")
        );
    }
    let allowed = facts(ours(50), stored(7, EARLIER)).start(InitialOffset::Latest, OutOfRange::Earliest).unwrap();
    assert_eq!((allowed.at, allowed.repairs, allowed.position), (10, true, position(10, None)));
}
