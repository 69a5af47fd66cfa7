//! The offset tracker under random schedules: no offset is committable past an unfinished record, no rejection is lost, and no
//! dead letter of a poison flood is written.

use std::collections::BTreeSet;

use proptest::prelude::*;
use segmenter::ingest::offset_tracker::{Finish, FloodLimit, OffsetTracker};
use segmenter::store::history::{Histories, History};

/// How a record of a schedule is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Accepted,
    Rejected,
    Neutral,
}

#[derive(Debug, Clone)]
struct Planned {
    /// Offsets skipped before this record: control records, compaction.
    gap: i64,
    end: End,
    bytes: usize,
}

fn planned() -> impl Strategy<Value = Planned> {
    let end = prop_oneof![5 => Just(End::Accepted), 3 => Just(End::Rejected), 1 => Just(End::Neutral)];
    (0_i64..3, end, 1_usize..100).prop_map(|(gap, end, bytes)| Planned { gap, end, bytes })
}

/// A schedule: records in delivery order, and the order in which they finish.
fn schedule() -> impl Strategy<Value = (Vec<Planned>, Vec<usize>)> {
    prop::collection::vec(planned(), 1..60).prop_flat_map(|records| {
        let order: Vec<usize> = (0..records.len()).collect();
        (Just(records), Just(order).prop_shuffle())
    })
}

fn offsets(records: &[Planned]) -> Vec<i64> {
    let mut next = 0;
    records
        .iter()
        .map(|record| {
            let offset = next + record.gap;
            next = offset + 1;
            offset
        })
        .collect()
}

/// The longest rejection run in delivery order; unknown users neither lengthen nor end it.
fn longest_run(records: &[Planned]) -> usize {
    let (mut run, mut longest) = (0, 0);
    for record in records {
        match record.end {
            End::Accepted => run = 0,
            End::Rejected => run += 1,
            End::Neutral => {}
        }
        longest = longest.max(run);
    }
    longest
}

fn finish(end: End, index: usize) -> Finish<usize> {
    match end {
        End::Accepted => Finish::Accepted(Histories::None),
        End::Rejected => Finish::Rejected(index),
        End::Neutral => Finish::Neutral(index),
    }
}

const GENEROUS: FloodLimit = FloodLimit { records: 1_000, bytes: usize::MAX };

proptest! {
    #[test]
    fn only_a_contiguous_prefix_of_finished_records_may_be_committed((records, order) in schedule()) {
        let offsets = offsets(&records);
        let mut tracker = OffsetTracker::new(GENEROUS);
        let sequences: Vec<u64> =
            records.iter().zip(&offsets).map(|(record, offset)| tracker.charge(*offset, record.bytes, None)).collect();
        let mut finished = BTreeSet::new();
        for index in order {
            let ended = tracker.finish(sequences[index], finish(records[index].end, index));
            if records[index].end == End::Accepted {
                finished.insert(offsets[index]);
            }
            for (sequence, written) in ended.to_write {
                tracker.written(sequence);
                finished.insert(offsets[written]);
            }
            let prefix = offsets.iter().take_while(|offset| finished.contains(offset)).last().map(|offset| offset + 1);
            prop_assert!(tracker.committable() <= prefix, "{:?} past {:?}", tracker.committable(), prefix);
        }
        for (sequence, _) in tracker.flush_run() {
            tracker.written(sequence);
        }
        prop_assert_eq!(tracker.committable(), offsets.last().map(|offset| offset + 1));
    }

    #[test]
    fn every_rejection_is_returned_exactly_once_and_the_budget_returns_to_zero((records, order) in schedule()) {
        let offsets = offsets(&records);
        let mut tracker = OffsetTracker::new(GENEROUS);
        let sequences: Vec<u64> =
            records.iter().zip(&offsets).map(|(record, offset)| tracker.charge(*offset, record.bytes, None)).collect();
        prop_assert_eq!(tracker.open_records(), records.len());
        let mut given = Vec::new();
        for index in order {
            given.extend(tracker.finish(sequences[index], finish(records[index].end, index)).to_write);
        }
        given.extend(tracker.flush_run());
        for (sequence, _) in &given {
            tracker.written(*sequence);
        }
        let mut indexes: Vec<usize> = given.into_iter().map(|(_, index)| index).collect();
        indexes.sort_unstable();
        let rejected: Vec<usize> =
            (0..records.len()).filter(|index| records[*index].end != End::Accepted).collect();
        prop_assert_eq!(indexes, rejected);
        prop_assert_eq!((tracker.open_records(), tracker.open_bytes(), tracker.waiting_records()), (0, 0, 0));
    }

    #[test]
    fn a_flood_is_found_exactly_when_a_run_reaches_the_limit_and_nothing_of_it_is_written_or_committed(
        (records, order) in schedule(),
        limit in 1_usize..6,
    ) {
        let offsets = offsets(&records);
        let mut tracker = OffsetTracker::new(FloodLimit { records: limit, bytes: usize::MAX });
        let sequences: Vec<u64> =
            records.iter().zip(&offsets).map(|(record, offset)| tracker.charge(*offset, record.bytes, None)).collect();
        let mut flood = None;
        let mut written = Vec::new();
        for index in order {
            let ended = tracker.finish(sequences[index], finish(records[index].end, index));
            flood = flood.or(ended.flood);
            for (sequence, index) in ended.to_write {
                tracker.written(sequence);
                written.push(index);
            }
        }
        prop_assert_eq!(flood.is_some(), longest_run(&records) >= limit);
        if let Some(flood) = flood {
            prop_assert!(tracker.flush_run().is_empty());
            prop_assert!(tracker.committable().is_none_or(|offset| offset <= flood.first_offset));
            let run_written = written.iter().any(|index| {
                records[*index].end == End::Rejected
                    && (flood.first_offset..=flood.last_offset).contains(&offsets[*index])
            });
            prop_assert!(!run_written);
        }
    }
}

#[test]
fn a_run_of_few_but_large_rejections_is_a_flood_too() {
    let mut tracker = OffsetTracker::new(FloodLimit { records: 200, bytes: 1_000 });
    let first = tracker.charge(7, 600, None);
    let second = tracker.charge(8, 600, None);
    assert!(tracker.finish(first, Finish::Rejected(())).flood.is_none());
    let flood = tracker.finish(second, Finish::Rejected(())).flood.expect("a flood");
    assert_eq!((flood.first_offset, flood.last_offset, flood.records), (7, 8, 2));
}

#[test]
fn after_a_run_was_flushed_at_the_end_of_the_partition_the_count_starts_anew() {
    let mut tracker = OffsetTracker::new(FloodLimit { records: 2, bytes: usize::MAX });
    let first = tracker.charge(0, 1, None);
    tracker.finish(first, Finish::Rejected(()));
    for (sequence, ()) in tracker.flush_run() {
        tracker.written(sequence);
    }
    let second = tracker.charge(1, 1, None);
    assert!(tracker.finish(second, Finish::Rejected(())).flood.is_none());
    assert_eq!(tracker.committable(), Some(1));
}

#[test]
fn finishing_a_record_twice_changes_nothing() {
    let mut tracker = OffsetTracker::<()>::new(GENEROUS);
    let first = tracker.charge(0, 10, None);
    let _second = tracker.charge(1, 10, None);
    tracker.finish(first, Finish::Accepted(Histories::None));
    tracker.finish(first, Finish::Accepted(Histories::None));
    assert_eq!((tracker.open_records(), tracker.open_bytes(), tracker.committable()), (1, 10, Some(1)));
}

#[test]
fn the_oldest_record_is_the_first_that_is_not_finished() {
    let mut tracker: OffsetTracker<()> = OffsetTracker::new(FloodLimit { records: 9, bytes: usize::MAX });
    assert_eq!(tracker.oldest(), None);
    let sequences: Vec<u64> = (0..3).map(|offset| tracker.charge(offset, 1, Some(100 - offset))).collect();
    assert_eq!(tracker.oldest(), Some(100));
    tracker.finish(sequences[1], Finish::Accepted(Histories::None));
    assert_eq!(tracker.oldest(), Some(100));
    tracker.finish(sequences[0], Finish::Accepted(Histories::None));
    assert_eq!(tracker.oldest(), Some(98));
    tracker.finish(sequences[2], Finish::Accepted(Histories::None));
    assert_eq!(tracker.oldest(), None);
}

#[test]
fn finished_records_behind_an_unfinished_one_count_as_waiting_and_a_rejection_run_does_not() {
    let mut tracker = OffsetTracker::new(GENEROUS);
    let sequences: Vec<u64> = (0..5).map(|offset| tracker.charge(offset, 1, None)).collect();
    for sequence in &sequences[1..4] {
        tracker.finish(*sequence, Finish::Accepted(Histories::None));
    }
    assert_eq!((tracker.open_records(), tracker.waiting_records()), (2, 5));
    tracker.finish(sequences[0], Finish::Rejected(()));
    assert_eq!(tracker.committable(), None, "its dead letter is due, since an accepted record follows");
    tracker.written(sequences[0]);
    tracker.finish(sequences[4], Finish::Rejected(()));
    assert_eq!((tracker.open_records(), tracker.waiting_records()), (0, 0), "the run has a limit of its own");
}

#[test]
fn the_histories_are_those_of_the_finished_prefix_since_they_were_last_taken() {
    let ran_in = |number| Histories::One(History(number));
    let mut tracker: OffsetTracker<()> = OffsetTracker::new(GENEROUS);
    let sequences: Vec<u64> = (0..4).map(|offset| tracker.charge(offset, 1, None)).collect();
    tracker.finish(sequences[2], Finish::Accepted(ran_in(1)));
    tracker.finish(sequences[0], Finish::Accepted(ran_in(1)));
    assert_eq!(tracker.take_ran_in(), ran_in(1));
    tracker.finish(sequences[1], Finish::Accepted(ran_in(2)));
    assert_eq!(tracker.committable(), Some(3));
    assert_eq!(tracker.take_ran_in(), Histories::Several, "the third record became committable with the second");
    tracker.finish(sequences[3], Finish::Accepted(ran_in(2)));
    assert_eq!((tracker.take_ran_in(), tracker.take_ran_in()), (ran_in(2), Histories::None));
}
