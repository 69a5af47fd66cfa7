//! The verdicts on Kafka, over facts made up.

use super::*;
use crate::doctor::finding::{Untold, Verdict};

const NOTHING: [String; 0] = [];

fn needs() -> Needs {
    Needs {
        group: "g".to_owned(),
        start: Start::Earliest,
        out_of_range: OutOfRange::Stop,
        max_value_bytes: 1_048_576,
        workers: 3,
    }
}

fn partition(number: i32) -> Partition {
    Partition { number, has_leader: true, replicas: 3, range: Some((10, 20)), committed: Some(15) }
}

fn settings(changed: &[(&str, &str)]) -> Settings {
    let usual = [
        ("cleanup.policy", "delete"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "-1"),
        ("max.message.bytes", "1048588"),
        ("message.timestamp.type", "CreateTime"),
        ("message.timestamp.after.max.ms", "3600000"),
        ("min.insync.replicas", "2"),
    ];
    Settings(usual.iter().chain(changed).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn topic(role: Role, name: &str) -> Topic {
    let tail = role.is_input().then_some(Ok(Tail { read: 5, nulls: 0, complete: true }));
    let changed: &[(&str, &str)] = if role == Role::SegmentChanged { &[("cleanup.policy", "compact")] } else { &[] };
    let partitions = Ok(Some(vec![partition(0), partition(1), partition(2)]));
    Topic { role, name: name.to_owned(), partitions, settings: Ok(settings(changed)), tail }
}

fn healthy() -> Facts {
    Facts {
        brokers: 3,
        topics: vec![
            topic(Role::OnboardingCompleted, "onboarding"),
            topic(Role::ProfileUpdated, "updates"),
            topic(Role::SegmentChanged, "changes"),
            topic(Role::DeadLetter, "dead"),
        ],
        members: Ok(2),
        committed: Ok(()),
        offsets_retention: Ok(Duration::from_secs(7 * 86_400)),
    }
}

/// What is found besides what is ok, once `change` has been made to what is healthy: `verdict check: sentence`.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = healthy();
    change(&mut facts);
    let findings = judge(&Ok(facts), &needs());
    let noteworthy = findings.iter().filter(|finding| finding.verdict != Verdict::Ok);
    noteworthy.map(|finding| format!("{} {}: {}", finding.verdict.as_str(), finding.check, finding.sentence)).collect()
}

fn set(facts: &mut Facts, topic: usize, name: &str, value: &str) {
    let settings = facts.topics[topic].settings.as_mut().unwrap();
    settings.0.insert(name.to_owned(), value.to_owned());
}

fn partitions(facts: &mut Facts, topic: usize) -> &mut Vec<Partition> {
    facts.topics[topic].partitions.as_mut().unwrap().as_mut().unwrap()
}

/// One finding that begins and ends so.
fn assert_found(change: impl FnOnce(&mut Facts), beginning: &str, end: &str) {
    let found = found(change);
    assert!(found.len() == 1 && found[0].starts_with(beginning) && found[0].ends_with(end), "{found:#?}");
}

#[test]
fn a_healthy_cluster_is_all_ok_and_every_check_says_so_once() {
    assert_eq!(found(|_| {}), NOTHING);
    let mut checks: Vec<&str> = judge(&Ok(healthy()), &needs()).iter().map(|finding| finding.check).collect();
    let all = checks.len();
    checks.sort_unstable();
    checks.dedup();
    assert_eq!((checks.len(), all), (15, 15), "{checks:?}");
}

#[test]
fn a_topic_that_is_missing_unseen_or_without_a_leader_is_a_problem() {
    let missing = |facts: &mut Facts| {
        facts.topics[3].partitions = Ok(None);
        facts.topics[3].settings = Err(Untold::failed("it was not asked"));
    };
    assert_found(missing, "problem topics: topic dead does not exist.", "");
    let unseen = |facts: &mut Facts| {
        facts.topics[3].partitions = Err(Untold::denied("Describe on topic dead"));
        facts.topics[3].settings = Err(Untold::failed("it was not asked"));
    };
    assert_found(unseen, "problem topics: topic dead cannot be seen", "Describe on topic dead.");
    assert_found(
        |facts| partitions(facts, 2)[1].has_leader = false,
        "problem topics: of topic changes",
        "partition 1.",
    );
}

#[test]
fn input_topics_that_are_divided_differently_or_not_copied_are_warned_of() {
    assert_found(
        |facts| partitions(facts, 1).truncate(2),
        "warning partitions: onboarding has 3 partitions and updates 2",
        "",
    );
    assert_found(
        |facts| partitions(facts, 0)[0].replicas = 1,
        "warning replication: there is only one copy of onboarding",
        "",
    );
    assert_found(
        |facts| set(facts, 2, "min.insync.replicas", "1"),
        "warning replication: changes may be acknowledged",
        "",
    );
}

#[test]
fn input_topics_that_lose_events_are_warned_of() {
    let short = |facts: &mut Facts| set(facts, 0, "retention.ms", "86400000");
    assert_found(short, "warning retention: onboarding keeps records for 1 day:", "loses events.");
    assert_eq!(found(|facts| set(facts, 0, "retention.ms", "-1")), NOTHING);
    let compacted = |facts: &mut Facts| {
        set(facts, 1, "cleanup.policy", "compact,delete");
        facts.topics[1].tail = Some(Ok(Tail { read: 9, nulls: 4, complete: true }));
    };
    assert_found(
        compacted,
        "warning cleanup: updates is an input topic and compacted",
        "newest 9 records there are 4 null.",
    );
}

#[test]
fn a_topic_that_takes_what_we_refuse_or_believes_any_clock_is_warned_of() {
    assert_found(
        |facts| set(facts, 0, "max.message.bytes", "2000000"),
        "warning record size: onboarding",
        "(too_large).",
    );
    let unlimited = |facts: &mut Facts| set(facts, 0, "message.timestamp.after.max.ms", "9223372036854775807");
    assert_found(unlimited, "warning timestamps: onboarding believes its producers' clocks", "");
    let stamped = |facts: &mut Facts| {
        unlimited(facts);
        set(facts, 0, "message.timestamp.type", "LogAppendTime");
    };
    assert_eq!(found(stamped), NOTHING);
}

#[test]
fn output_topics_that_forget_too_much_or_too_little_are_warned_of() {
    assert_found(|facts| set(facts, 2, "cleanup.policy", "delete"), "warning compaction: changes is not compacted", "");
    assert_found(
        |facts| set(facts, 3, "max.message.bytes", "1000000"),
        "warning dead letters: dead takes",
        "sent again.",
    );
    assert_found(
        |facts| set(facts, 3, "retention.ms", "3600000"),
        "warning dead letters: dead keeps records for 1 hour",
        "",
    );
    assert_found(
        |facts| set(facts, 3, "retention.ms", "-1"),
        "warning dead letters: dead keeps dead letters for ever",
        "",
    );
    assert_eq!(found(|facts| set(facts, 3, "cleanup.policy", "compact")).len(), 2);
}

#[test]
fn an_offset_that_is_no_longer_in_its_partition_is_a_problem() {
    let passed = |facts: &mut Facts| partitions(facts, 0)[1].committed = Some(7);
    assert_found(passed, "problem offsets: group g stands at 7 of onboarding [1]", "3 records were deleted unread.");
    let recreated = |facts: &mut Facts| partitions(facts, 1)[0].committed = Some(21);
    assert_found(recreated, "problem offsets: group g stands at 21 of updates [0]", "truncated or recreated.");
    for edge in [10, 20] {
        assert_eq!(found(|facts| partitions(facts, 1)[0].committed = Some(edge)), NOTHING);
    }
}

#[test]
fn the_lag_names_the_partition_that_is_furthest_behind() {
    let mut facts = healthy();
    partitions(&mut facts, 1)[2].committed = Some(11);
    let lag = judge(&Ok(facts), &needs()).into_iter().find(|finding| finding.check == "lag").unwrap();
    assert_eq!(lag.sentence, "34 records are to be read, of them 9 in updates [2].");
}

#[test]
fn offsets_that_are_forgotten_matter_only_where_the_group_would_begin_at_the_end() {
    let mut facts = healthy();
    facts.members = Ok(0);
    let of_group = |facts: &Facts, needs: &Needs| {
        judge(&Ok(facts.clone()), needs).into_iter().find(|finding| finding.check == "group").unwrap()
    };
    let safe = of_group(&facts, &needs());
    assert!(safe.verdict == Verdict::Ok && safe.sentence.contains("7 days after the last has left"), "{safe:?}");
    let unsafe_start = of_group(&facts, &Needs { start: Start::Latest, ..needs() });
    assert_eq!(unsafe_start.verdict.as_str(), "warning");
}

#[test]
fn what_may_not_be_asked_is_unchecked_and_what_the_service_needs_is_a_problem() {
    let no_configs = |facts: &mut Facts| {
        facts.topics[0].settings = Err(Untold::denied("DescribeConfigs on topic onboarding"));
    };
    assert_found(no_configs, "could_not_check settings: Retention", "DescribeConfigs on topic onboarding.");
    let unreadable = |facts: &mut Facts| facts.topics[0].tail = Some(Err(Untold::denied("Read on topic onboarding")));
    let found = found(unreadable);
    assert!(
        found.contains(&"problem rights: the right is missing: Read on topic onboarding.".to_owned()),
        "{found:#?}"
    );
}

#[test]
fn a_cluster_that_is_away_or_refuses_us_is_one_problem() {
    for unreachable in [Unreachable::Away("x".to_owned()), Unreachable::Refused("x".to_owned())] {
        let findings = judge(&Err(unreachable), &needs());
        assert!(findings.len() == 1 && findings[0].verdict.as_str() == "problem", "{findings:?}");
    }
}
