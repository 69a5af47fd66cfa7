//! The findings on Kafka, from made-up facts.

use super::*;
use crate::checks::doctor::finding::Unknown;

fn partition(number: i32) -> Partition {
    Partition { number, has_leader: true, replicas: 3, range: Some((10, 20)), committed: Some(15) }
}

fn topic(role: Role, name: &str) -> Topic {
    let settings = [
        ("cleanup.policy", if role == Role::SegmentChanged { "compact" } else { "delete" }),
        ("retention.ms", "604800000"),
        ("retention.bytes", "-1"),
        ("max.message.bytes", "1048588"),
        ("message.timestamp.type", "CreateTime"),
        ("message.timestamp.after.max.ms", "3600000"),
        ("min.insync.replicas", "2"),
    ];
    Topic {
        role,
        name: name.to_owned(),
        partitions: Ok(Some(vec![partition(0), partition(1), partition(2)])),
        settings: Some(Ok(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into())),
        tail: (role == Role::Input).then_some(Ok(Tail { read: 5, nulls: 0, complete: true })),
    }
}

fn healthy() -> ClusterFacts {
    ClusterFacts {
        identity: "user segmenter with a password (PLAIN)".to_owned(),
        group: "g".to_owned(),
        start: InitialOffset::Earliest,
        max_value_bytes: 1_048_576,
        brokers: 3,
        topics: vec![
            topic(Role::Input, "onboarding"),
            topic(Role::Input, "updates"),
            topic(Role::SegmentChanged, "changes"),
            topic(Role::DeadLetter, "dead"),
        ],
        members: Ok(2),
        committed: Ok(()),
    }
}

/// The findings on a healthy cluster after `change`.
fn all(change: impl FnOnce(&mut ClusterFacts)) -> Findings {
    let mut facts = healthy();
    change(&mut facts);
    evaluate(&Ok(facts))
}

/// All findings that are not ok: `status check: finding`.
fn found(change: impl FnOnce(&mut ClusterFacts)) -> Vec<String> {
    all(change).noteworthy()
}

/// Asserts one finding, which starts with `beginning` and ends with `end`.
fn assert_found(change: impl FnOnce(&mut ClusterFacts), beginning: &str, end: &str) {
    let found = found(change);
    assert!(found.len() == 1 && found[0].starts_with(beginning) && found[0].ends_with(end), "{found:#?}");
}

fn set(topic: usize, name: &str, value: &str) -> impl FnOnce(&mut ClusterFacts) {
    move |facts| {
        let settings = facts.topics[topic].settings.as_mut().unwrap().as_mut().unwrap();
        settings.insert(name.to_owned(), value.to_owned());
    }
}

fn partitions(facts: &mut ClusterFacts, topic: usize) -> &mut Vec<Partition> {
    facts.topics[topic].partitions.as_mut().unwrap().as_mut().unwrap()
}

#[test]
fn a_healthy_cluster_is_all_ok_and_every_check_finds_one_thing() {
    let mut checks: Vec<&str> = all(|_| {}).list.iter().map(|finding| finding.check).collect();
    checks.sort_unstable();
    checks.dedup();
    assert_eq!((found(|_| {}).len(), checks.len(), all(|_| {}).list.len()), (0, 15, 15), "{checks:?}");
}

#[test]
fn each_setting_that_loses_records_or_keeps_them_too_long_gets_a_warning() {
    for (topic, name, value, beginning, end) in [
        (2, "min.insync.replicas", "1", "warning replication: changes may be acknowledged", ""),
        (0, "retention.ms", "86400000", "warning retention: onboarding keeps records for 1day:", "loses events."),
        (0, "max.message.bytes", "2000000", "warning record size: onboarding", "(too_large)."),
        (
            0,
            "message.timestamp.after.max.ms",
            "9223372036854775807",
            "warning timestamps: onboarding does not limit its producers' clocks",
            "",
        ),
        (2, "cleanup.policy", "delete", "warning compaction: changes is not compacted", ""),
        (3, "max.message.bytes", "1000000", "warning dead letters: dead accepts", "redriven."),
        (3, "retention.ms", "3600000", "warning dead letters: dead keeps records for 1h", ""),
        (3, "retention.ms", "-1", "warning dead letters: dead keeps dead letters forever", ""),
    ] {
        assert_found(set(topic, name, value), beginning, end);
    }
    assert_eq!(found(set(0, "retention.ms", "-1")).len(), 0);
    assert_eq!(found(set(3, "cleanup.policy", "compact")).len(), 2);
    let stamped = |facts: &mut ClusterFacts| {
        set(0, "message.timestamp.after.max.ms", "9223372036854775807")(facts);
        set(0, "message.timestamp.type", "LogAppendTime")(facts);
    };
    assert_eq!(found(stamped).len(), 0);
    let compacted = |facts: &mut ClusterFacts| {
        set(1, "cleanup.policy", "compact,delete")(facts);
        facts.topics[1].tail = Some(Ok(Tail { read: 9, nulls: 4, complete: true }));
    };
    let beginning = "warning cleanup: updates is an input topic and compacted";
    assert_found(compacted, beginning, "newest 9 records, 4 are tombstones.");
}

#[test]
fn a_topic_that_is_missing_hidden_or_without_a_leader_is_a_problem() {
    for (partitions, beginning, end) in [
        (Ok(None), "problem topics: topic dead does not exist.", ""),
        (
            Err(Unknown::denied("Describe on topic dead")),
            "problem topics: topic dead cannot be described",
            "Describe on topic dead.",
        ),
    ] {
        let unseen = |facts: &mut ClusterFacts| {
            facts.topics[3].partitions = partitions;
            facts.topics[3].settings = None;
        };
        assert_found(unseen, beginning, end);
    }
    let orphaned = |facts: &mut ClusterFacts| partitions(facts, 2)[1].has_leader = false;
    assert_found(orphaned, "problem topics: of topic changes", "partition 1.");
}

#[test]
fn input_topics_with_different_partitions_or_without_replicas_get_a_warning() {
    let divided = |facts: &mut ClusterFacts| partitions(facts, 1).truncate(2);
    assert_found(divided, "warning partitions: onboarding has 3 partitions and updates 2", "");
    let single = |facts: &mut ClusterFacts| partitions(facts, 0)[0].replicas = 1;
    assert_found(single, "warning replication: there is only one replica of onboarding", "");
}

#[test]
fn the_lag_names_the_partition_with_the_largest_lag() {
    let behind = all(|facts| partitions(facts, 1)[2].committed = Some(11));
    let lag = behind.list.into_iter().find(|finding| finding.check == "lag").unwrap();
    assert_eq!(lag.finding, "the lag is 34 records, of them 9 in updates [2].");
}

#[test]
fn a_denied_request_is_unchecked_and_a_missing_right_of_the_service_is_a_problem() {
    let right = "DescribeConfigs on topic onboarding";
    let no_configs = |facts: &mut ClusterFacts| facts.topics[0].settings = Some(Err(Unknown::denied(right)));
    assert_found(no_configs, "unchecked settings: Retention", "DescribeConfigs on topic onboarding.");
    let unreadable =
        |facts: &mut ClusterFacts| facts.topics[0].tail = Some(Err(Unknown::denied("Read on topic onboarding")));
    let found = found(unreadable);
    let expected = "problem rights: the right is missing: Read on topic onboarding.";
    assert!(found.iter().any(|finding| finding == expected), "{found:#?}");
}

#[test]
fn a_cluster_that_is_unavailable_or_refuses_us_is_one_problem() {
    for (unreachable, unavailable) in
        [(Unreachable::Unavailable("x".to_owned()), true), (Unreachable::Refused("x".to_owned()), false)]
    {
        let findings = evaluate(&Err(unreachable));
        let noteworthy = findings.noteworthy();
        assert!(noteworthy.len() == 1 && noteworthy[0].starts_with("problem reachable: "), "{noteworthy:?}");
        assert_eq!(findings.unavailable, unavailable);
    }
}
