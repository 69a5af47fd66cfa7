//! Findings on the topics: existence, partitions, replication, retention, compaction, record sizes, timestamps.

use super::{ClusterFacts, Role, Topic};
use crate::checks::doctor::finding::Findings;
use crate::checks::doctor::words::{count, list, span};

const DAY_MS: u64 = 86_400_000;
/// A retention that leaves time to repair an outage.
const LEAST_RETENTION_MS: u64 = 7 * DAY_MS;
/// A limit further in the future than this does not protect.
const MOST_FUTURE_MS: i64 = DAY_MS as i64;
/// The header of a record batch (Kafka's documentation, "Record Batch"), which a topic's limit includes.
const BATCH_HEADER_BYTES: i64 = 61;

/// Whether all four exist and have leaders.
pub(super) fn exist(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("topics");
    for Topic { name, partitions, .. } in &facts.topics {
        match partitions {
            Ok(None) => found.problem(
                format!("topic {name} does not exist."),
                format!(
                    "Create it, the service does not: kafka-topics.sh --bootstrap-server B --create --topic {name} --partitions N"
                ),
            ),
            Ok(Some(partitions)) => {
                let orphans: Vec<i32> = partitions.iter().filter(|one| !one.has_leader).map(|one| one.number).collect();
                if !orphans.is_empty() {
                    let finding = format!("of topic {name} no broker leads partition {}.", list(orphans));
                    found.problem(finding, "Restart the brokers that hold its replicas.");
                }
            }
            Err(unknown) if unknown.denied => {
                found.problem(format!("topic {name} cannot be described: {}.", unknown.why), unknown.remedy.clone());
            }
            Err(unknown) => found.unchecked(format!("Topic {name}"), unknown),
        }
    }
    found.ok("all four exist, and every partition has a leader.");
}

/// Whether the two input topics have the same number of partitions.
pub(super) fn partitions(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("partitions");
    let inputs: Vec<&Topic> = facts.inputs().filter(|topic| !topic.existing().is_empty()).collect();
    let [one, other] = inputs[..] else { return };
    let [of_one, of_other] = [one, other].map(|topic| topic.existing().len() as u64);
    let each = count(of_one, "partition", "partitions");
    if of_one != of_other {
        found.warning(
            format!(
                "{} has {each} and {} {of_other}: different processes read the two topics' records of one user, which \
                 causes conflicts.",
                one.name, other.name
            ),
            format!(
                "Give both {} (kafka-topics.sh --alter); the order of one user's records does not matter to the result.",
                of_one.max(of_other)
            ),
        );
    }
    found.ok(format!("both input topics have {each}; more processes than that would be idle."));
}

/// Whether the loss of one broker can lose records.
pub(super) fn replication(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("replication");
    let names = |is_so: &dyn Fn(&Topic) -> bool| {
        let existing = facts.topics.iter().filter(|topic| !topic.existing().is_empty());
        list(existing.filter(|topic| is_so(topic)).map(|topic| topic.name.as_str()))
    };
    let has_single = |topic: &Topic| topic.existing().iter().any(|partition| partition.replicas == 1);
    let single = names(&has_single);
    if !single.is_empty() {
        found.warning(
            format!("there is only one replica of {single}: the loss of its broker loses its records."),
            "Raise the replication factor to 3 (kafka-reassign-partitions.sh). With a single broker, as in development, \
             this is expected.",
        );
    }
    let unsafe_topics =
        names(&|topic| !has_single(topic) && topic.number("min.insync.replicas").is_some_and(|least| least < 2));
    if !unsafe_topics.is_empty() {
        found.warning(
            format!(
                "{unsafe_topics} may be acknowledged by one broker alone (min.insync.replicas=1), and are lost with it."
            ),
            "Set min.insync.replicas=2.",
        );
    }
    if !names(&|_| true).is_empty() {
        found.ok("every topic has more than one replica.");
    }
}

/// Whether the settings may be read.
pub(super) fn settings(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("settings");
    for topic in &facts.topics {
        if let Some(Err(unknown)) = &topic.settings {
            found.unchecked(format!("Retention, compaction, sizes and timestamps of {}", topic.name), unknown);
        }
    }
}

/// Whether retention outlasts an outage of the service.
pub(super) fn retention(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("retention");
    for topic in facts.described(Role::Input) {
        if let Some(kept) = topic.retention_ms().filter(|kept| *kept < LEAST_RETENTION_MS) {
            found.warning(
                format!("{} keeps records for {}: a longer outage or pause loses events.", topic.name, span(kept)),
                format!("Set retention.ms={LEAST_RETENTION_MS} (7 days) or more."),
            );
        }
    }
    // Retention by size may delete earlier than retention by age.
    let is_bounded = |topic: &Topic| topic.cleans_up_by("delete") && topic.number("retention.bytes") >= Some(0);
    let unless =
        if facts.described(Role::Input).any(is_bounded) { ", unless retention.bytes is reached earlier" } else { "" };
    found.ok(format!("records of the input topics are kept for a week or longer{unless}."));
}

/// Whether compaction removes events.
pub(super) fn cleanup(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("cleanup");
    for topic in facts.described(Role::Input).filter(|topic| topic.cleans_up_by("compact")) {
        let nulls = match &topic.tail {
            Some(Ok(tail)) => {
                let tombstones = count(tail.nulls, "is a tombstone", "are tombstones");
                format!(" Of its newest {}, {tombstones}.", count(tail.read, "record", "records"))
            }
            _ => String::new(),
        };
        found.warning(
            format!(
                "{} is an input topic and compacted: events of a user may be removed before they are read, and a tombstone \
                 that only tidies up the topic erases the user here.{nulls}",
                topic.name
            ),
            "Set cleanup.policy=delete, and produce a tombstone only to erase a user.",
        );
    }
    found.ok("the input topics are not compacted.");
}

/// Whether the input topics accept records that the service rejects as too large.
pub(super) fn record_size(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("record size");
    let limit = facts.max_value_bytes;
    for topic in facts.described(Role::Input) {
        let taken = topic.number("max.message.bytes");
        if let Some(taken) = taken.filter(|taken| taken - BATCH_HEADER_BYTES > limit) {
            found.warning(
                format!(
                    "{} accepts records of up to {taken} bytes; those with a value over {limit} bytes are dead-lettered \
                     (too_large).",
                    topic.name
                ),
                format!("Set its max.message.bytes={limit}, or raise limits.max_value_bytes."),
            );
        }
    }
    found.ok(format!("the input topics accept no larger records than the service ({limit} bytes)."));
}

/// Whether events of a producer with a wrong clock can win over later ones.
pub(super) fn timestamps(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("timestamps");
    for topic in facts.described(Role::Input).filter(|topic| trusts_producers(topic)) {
        found.warning(
            format!(
                "{} does not limit its producers' clocks: an event that is dated ahead wins over later events of its user.",
                topic.name
            ),
            "Set message.timestamp.type=LogAppendTime, or message.timestamp.after.max.ms=3600000 (before Kafka 3.6 \
             message.timestamp.difference.max.ms).",
        );
    }
    found.ok("the brokers of the input topics limit how far in the future a record may be dated.");
}

fn trusts_producers(topic: &Topic) -> bool {
    let limits = ["message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"];
    let is_limited = limits.iter().any(|name| topic.number(name).is_some_and(|limit| limit <= MOST_FUTURE_MS));
    topic.setting("message.timestamp.type") != Some("LogAppendTime") && !is_limited
}

/// Whether segment-changed keeps the newest record of every user.
pub(super) fn compaction(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("compaction");
    let Some(topic) = facts.described(Role::SegmentChanged).next() else { return };
    let name = &topic.name;
    if !topic.cleans_up_by("compact") {
        found.warning(
            format!("{name} is not compacted: a new consumer cannot read every user's ranking from it."),
            "Set cleanup.policy=compact.",
        );
    }
    let until = topic.retention_ms().map_or_else(String::new, |kept| format!(", and deletes after {}", span(kept)));
    found.ok(format!("{name} is compacted{until}."));
}

/// Whether dead letters fit, and are kept neither too short nor too long.
pub(super) fn dead_letters(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("dead letters");
    let Some(topic) = facts.described(Role::DeadLetter).next() else { return };
    let (name, limit) = (&topic.name, facts.max_value_bytes);
    if let Some(taken) = topic.number("max.message.bytes").filter(|taken| *taken < limit) {
        found.warning(
            format!(
                "{name} accepts records of up to {taken} bytes: larger dead letters are truncated and cannot be redriven."
            ),
            format!("Set its max.message.bytes to {limit} or more."),
        );
    }
    if topic.cleans_up_by("compact") {
        let finding = format!("{name} is compacted: it keeps only the last dead letter of a user.");
        found.warning(finding, "Set cleanup.policy=delete.");
    }
    let Some(kept) = topic.retention_ms() else {
        return found.warning(
            format!("{name} keeps dead letters forever; they are the original records, with personal data."),
            "Set cleanup.policy=delete, and a retention.ms that your rules for personal data allow.",
        );
    };
    if kept < LEAST_RETENTION_MS {
        found.warning(
            format!(
                "{name} keeps records for {}: dead letters may be deleted before they can be redriven.",
                span(kept)
            ),
            format!("Set retention.ms={LEAST_RETENTION_MS} (7 days) or more."),
        );
    }
    found.ok(format!("{name} accepts every record in full and keeps it for {}.", span(kept)));
}
