//! A process that lost its partitions cannot commit their offsets, whenever it wakes; and nothing is committed that the
//! database has not confirmed.

use std::collections::HashMap;

use segmenter::domain::event::Kind;
use segmenter::ingest::assignment::{Assignment, ConfirmedOffset, Epoch};
use segmenter::ingest::offset_tracker::{Finish, FloodLimit};
use segmenter::ingest::position::Started;
use segmenter::kafka::partition::Partition;
use segmenter::store::history::{Histories, History};
use segmenter::store::positions::{Answer, PartitionKey};
use uuid::Uuid;

const PARTITION: Partition = Partition { kind: Kind::OnboardingCompleted, number: 3 };
const HISTORY: History = History(1);
const KEY: PartitionKey = PartitionKey { topic_id: Uuid::from_u128(7), partition: 3 };

type Tracked = Assignment<&'static str>;

fn started_at(at: i64) -> Started {
    Started { key: KEY, at, history: HISTORY, repair_until: None, committed: Some(at) }
}

fn assign(assignment: &Tracked, at: i64) -> Epoch {
    let (_, epoch) = assignment.assign(&[PARTITION])[0];
    assert!(assignment.start(PARTITION, epoch, &started_at(at)));
    epoch
}

fn assignment() -> Tracked {
    let assignment = Assignment::new(FloodLimit { records: 10, bytes: 1 << 20 });
    assign(&assignment, 5);
    assignment
}

/// Has the database confirm what is finished; returns the offsets to commit.
fn confirm(assignment: &Tracked) -> Vec<i64> {
    let claims = assignment.claims(None);
    let answered = assignment.answer(&claims, &HashMap::from([(KEY, Answer::Raised)]));
    assert_eq!((answered.lost.len(), answered.vanished.len()), (0, 0));
    assignment.take_confirmed(None).into_iter().map(|ConfirmedOffset { offset, .. }| offset).collect()
}

#[test]
fn a_record_finished_after_its_partition_was_given_up_commits_nothing() {
    let assignment = assignment();
    let ticket = assignment.charge(PARTITION, 7, 10, None).unwrap();
    assignment.give_up(&[PARTITION]);
    assert_eq!(assignment.are_current([ticket].into_iter()), [false]);
    let effects = assignment.finish([(ticket, Finish::Neutral("unknown user"))]);
    assert!(effects.to_write.is_empty(), "it writes no dead letters either");
    assert!(confirm(&assignment).is_empty());
}

#[test]
fn a_ticket_of_an_earlier_assignment_of_the_same_partition_is_void() {
    let assignment = assignment();
    let old = assignment.charge(PARTITION, 7, 10, None).unwrap();
    assignment.give_up(&[PARTITION]);
    assign(&assignment, 5);
    let new = assignment.charge(PARTITION, 5, 10, None).unwrap();
    assignment.finish([(old, Finish::Accepted(Histories::None))]);
    assert!(confirm(&assignment).is_empty(), "offset 5 is still in flight");
    assignment.finish([(new, Finish::Accepted(Histories::None))]);
    assert_eq!(confirm(&assignment), [6]);
}

#[test]
fn nothing_is_committed_before_the_database_confirms_it() {
    let assignment = assignment();
    let ticket = assignment.charge(PARTITION, 5, 10, None).unwrap();
    assignment.finish([(ticket, Finish::Accepted(Histories::None))]);
    let unanswered = assignment.claims(None);
    assert_eq!((unanswered[0].claim.confirmed, unanswered[0].claim.next_offset), (5, 6));
    assert!(assignment.take_confirmed(None).is_empty());
    assert_eq!(confirm(&assignment), [6], "the next claim covers the one without an answer");
}

#[test]
fn a_partition_is_not_read_until_it_is_started_and_a_start_of_an_earlier_epoch_is_void() {
    let assignment: Tracked = Assignment::new(FloodLimit { records: 10, bytes: 1 << 20 });
    let (_, old) = assignment.assign(&[PARTITION])[0];
    assert!(assignment.charge(PARTITION, 5, 10, None).is_none());
    let (_, new) = assignment.restart(&[PARTITION])[0];
    assert!(!assignment.start(PARTITION, old, &started_at(5)));
    assert!(assignment.start(PARTITION, new, &started_at(9)));
    assert!(assignment.charge(PARTITION, 9, 10, None).is_some());
    assert!(assignment.restart(&[Partition { number: 4, ..PARTITION }]).is_empty(), "it is not assigned");
}

#[test]
fn a_row_that_vanishes_is_named_and_confirms_nothing() {
    let assignment = assignment();
    let ticket = assignment.charge(PARTITION, 5, 10, None).unwrap();
    assignment.finish([(ticket, Finish::Accepted(Histories::None))]);
    let answered = assignment.answer(&assignment.claims(None), &HashMap::new());
    assert_eq!((answered.vanished, answered.lost), (vec![PARTITION], vec![]));
    assert!(assignment.take_confirmed(None).is_empty());
}
