//! The checker of histories finds each kind of broken promise, and nothing where none is broken.

use std::collections::BTreeMap;

use crate::support::history::{Change, Observation, PublishedRow, Recommender, Rewind, violations};

/// A change of `ada` at this revision, which is also its time.
fn change(revision: i64, previous: &str, new: &str) -> Observation {
    let ranking = |words: &str| words.split_whitespace().map(str::to_owned).collect();
    let change = Change {
        event_id: format!("id-{revision}"),
        previous: ranking(previous),
        new: ranking(new),
        bytes: format!("{revision} {new}").into(),
    };
    Observation { user: "ada".into(), revision, at: revision, change: Some(change) }
}

fn tombstone(revision: i64) -> Observation {
    Observation { change: None, ..change(revision, "", "") }
}

fn observed(name: &'static str, observations: Vec<Observation>) -> Recommender {
    Recommender { name, from_the_beginning: true, observations }
}

fn row(revision: i64, segments: &str) -> BTreeMap<String, PublishedRow> {
    let segments = segments.split_whitespace().map(str::to_owned).collect();
    BTreeMap::from([("ada".to_owned(), PublishedRow { revision, segments })])
}

fn found(observations: Vec<Observation>, row: &BTreeMap<String, PublishedRow>, rewinds: &[Rewind]) -> Vec<String> {
    violations(&[observed("one", observations)], row, rewinds)
}

const NOTHING: [String; 0] = [];

#[test]
fn a_chain_that_ends_with_the_row_breaks_no_promise_repeats_and_late_records_included() {
    let chain = vec![change(10, "", "A"), change(20, "A", "B C"), change(30, "B C", "A")];
    assert_eq!(found(chain, &row(30, "A"), &[]), NOTHING);
    let late = vec![change(10, "", "A"), change(30, "B", "C"), change(20, "A", "B"), change(30, "B", "C")];
    assert_eq!(found(late, &row(30, "C"), &[]), NOTHING);
    let reborn = vec![change(10, "", "A"), tombstone(20), change(30, "", "B")];
    assert_eq!(found(reborn, &row(30, "B"), &[]), NOTHING);
    assert_eq!(found(vec![change(10, "", "A"), tombstone(20)], &BTreeMap::new(), &[]), NOTHING, "a deleted user");
}

#[test]
fn a_recommender_that_joins_late_is_not_asked_for_what_came_before() {
    let late = Recommender { from_the_beginning: false, ..observed("late", vec![change(20, "A", "B")]) };
    assert_eq!(violations(&[late], &row(20, "B"), &[]), NOTHING);
    let forked = vec![change(20, "A", "B"), change(30, "A", "C")];
    let late = Recommender { from_the_beginning: false, ..observed("late", forked) };
    assert_eq!(violations(&[late], &row(30, "C"), &[Rewind { from: 15, until: 35 }]), NOTHING);
    let none = Recommender { from_the_beginning: false, ..observed("late", Vec::new()) };
    assert_eq!(violations(&[none], &row(20, "B"), &[]), NOTHING);
}

#[test]
fn a_revision_with_two_contents_is_found_within_one_recommender_and_between_two() {
    let twice = vec![change(10, "", "A"), change(10, "", "B")];
    assert_eq!(found(twice, &row(10, "B"), &[]), ["revision 10 of ada has two contents"]);
    let other = Observation { change: None, ..change(10, "", "A") };
    let two = [observed("one", vec![change(10, "", "A")]), observed("other", vec![other])];
    assert_eq!(violations(&two, &row(10, "A"), &[])[0], "revision 10 of ada has two contents");
    let mut same_id = change(20, "A", "B");
    same_id.change.as_mut().unwrap().event_id = "id-10".into();
    let violations = found(vec![change(10, "", "A"), same_id], &row(20, "B"), &[]);
    assert!(violations.len() == 1 && violations[0].starts_with("event id id-10 has two revisions"), "{violations:?}");
}

#[test]
fn a_chain_with_a_gap_is_found_unless_a_rewind_explains_it() {
    let forked = vec![change(10, "", "A"), change(20, "A", "B"), change(30, "A", "C"), change(40, "C", "D")];
    let during = Rewind { from: 15, until: 35 };
    assert_eq!(found(forked.clone(), &row(40, "D"), &[during]), NOTHING);
    let gap = r#"one: revision 30 of ada follows from Some(["A"]), the one before is Some((20, ["B"]))"#;
    let others = [
        ("none", None),
        ("one that lost nothing of this user", Some(Rewind { from: 25, until: 35 })),
        ("one that is over", Some(Rewind { from: 15, until: 25 })),
    ];
    for (which, rewind) in others {
        assert_eq!(found(forked.clone(), &row(40, "D"), rewind.as_slice()), [gap], "{which}");
    }
    let invented = vec![change(10, "", "A"), change(20, "A", "B"), change(30, "X", "C")];
    assert_eq!(found(invented, &row(30, "C"), &[during]).len(), 1, "a ranking that was never published");
    let born_again = vec![change(20, "", "B"), change(30, "", "C")];
    assert_eq!(found(born_again.clone(), &row(30, "C"), &[during]), NOTHING, "the whole user was lost");
    assert_eq!(found(born_again, &row(30, "C"), &[]).len(), 1);
    assert_eq!(found(vec![change(20, "A", "B")], &row(20, "B"), &[]).len(), 1, "the beginning was not observed");
}

#[test]
fn an_ending_other_than_the_newest_revision_and_the_row_is_found() {
    let late = vec![change(20, "A", "B"), change(10, "", "A")];
    assert_eq!(found(late, &row(20, "B"), &[]), ["one: the last record of ada has revision 10, an earlier one has 20"]);
    let chain = || vec![change(10, "", "A")];
    assert_eq!(found(chain(), &row(11, "A"), &[]), ["one: the last record of ada has revision 10, the database 11"]);
    assert_eq!(found(chain(), &row(10, "B"), &[]), [r#"one: the last record of ada has ["A"], the row ["B"]"#]);
    assert_eq!(found(chain(), &BTreeMap::new(), &[]), ["one: ada was published and is not in the database"]);
    assert_eq!(
        found(Vec::new(), &row(10, "A"), &[]),
        ["one: ada is published at revision 10, and no record was observed"]
    );
}

#[test]
fn a_change_that_follows_from_an_unpublished_one_is_found_unless_both_were_lost() {
    let during = Rewind { from: 15, until: 35 };
    let lost = vec![change(10, "", "A"), change(20, "X", "B"), change(30, "A", "C")];
    assert_eq!(found(lost.clone(), &row(30, "C"), &[during]), NOTHING);
    let gap = r#"one: revision 20 of ada follows from Some(["X"]), the one before is Some((10, ["A"]))"#;
    assert_eq!(found(lost[..2].to_vec(), &row(20, "B"), &[during]), [gap], "it is the last");
    let kept = vec![change(10, "", "A"), change(20, "X", "B"), change(30, "B", "C")];
    assert_eq!(found(kept, &row(30, "C"), &[during]), [gap], "the next one follows from it");
    assert_eq!(found(lost, &row(30, "C"), &[Rewind { from: 25, until: 35 }])[0], gap, "before the lost time");
}
