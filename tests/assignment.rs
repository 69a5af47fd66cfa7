//! A process that lost its partitions cannot commit their offsets, whenever it wakes.

use segmenter::domain::event::Kind;
use segmenter::ingest::assignment::Assignment;
use segmenter::ingest::offset_tracker::{Finish, FloodLimit};
use segmenter::kafka::partition::Partition;

const PARTITION: Partition = Partition { kind: Kind::OnboardingCompleted, number: 3 };

fn assignment() -> Assignment<&'static str> {
    let assignment = Assignment::new(FloodLimit { records: 10, bytes: 1 << 20 });
    assignment.assign(&[PARTITION]);
    assignment
}

#[test]
fn a_record_finished_after_its_partition_was_given_up_commits_nothing() {
    let assignment = assignment();
    let ticket = assignment.charge(PARTITION, 7, 10, None).unwrap();
    assignment.give_up(&[PARTITION]);
    assert_eq!(assignment.are_current([ticket].into_iter()), [false]);
    let effects = assignment.finish([(ticket, Finish::Neutral("unknown user"))]);
    assert!(effects.to_write.is_empty(), "it writes no dead letters either");
    assert_eq!(assignment.take_committable(None), []);
}

#[test]
fn a_ticket_of_an_earlier_assignment_of_the_same_partition_is_void() {
    let assignment = assignment();
    let old = assignment.charge(PARTITION, 7, 10, None).unwrap();
    assignment.give_up(&[PARTITION]);
    assignment.assign(&[PARTITION]);
    let new = assignment.charge(PARTITION, 5, 10, None).unwrap();
    assignment.finish([(old, Finish::Accepted)]);
    assert_eq!(assignment.take_committable(None), [], "offset 5 is still in flight");
    assignment.finish([(new, Finish::Accepted)]);
    assert_eq!(assignment.take_committable(None), [(PARTITION, 6)]);
}
