//! Verdicts on the topics: that they exist, how they are divided and copied, how long they keep their records, which records
//! they accept, and whose clock they believe.

use super::{ClusterFacts, Role, Topic};
use crate::checks::doctor::finding::Findings;
use crate::checks::doctor::words::{count, list, span};

const DAY_MS: u64 = 86_400_000;
/// How long an outage or a pause may last that allows time to mend it.
const LEAST_RETENTION_MS: u64 = 7 * DAY_MS;
/// A limit that is further in the future than this limits nothing.
const MOST_FUTURE_MS: i64 = DAY_MS as i64;
/// What a record batch takes besides its records (Kafka's documentation, "Record Batch"): a topic's limit covers it too.
const BATCH_HEADER_BYTES: i64 = 61;

/// Whether all four exist and have leaders.
pub(super) fn exist(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("topics");
    for Topic { name, partitions, .. } in &facts.topics {
        match partitions {
            Ok(None) => found.problem(
                format!("topic {name} does not exist."),
                format!(
                    "Create it; the service never does: kafka-topics.sh --bootstrap-server B --create --topic {name} --partitions N"
                ),
            ),
            Ok(Some(partitions)) => {
                let orphans: Vec<i32> = partitions.iter().filter(|one| !one.has_leader).map(|one| one.number).collect();
                if !orphans.is_empty() {
                    let finding = format!("of topic {name} no broker leads partition {}.", list(orphans));
                    found.problem(finding, "Bring back the brokers that hold its replicas.");
                }
            }
            Err(unknown) if unknown.denied => {
                found.problem(format!("topic {name} cannot be seen: {}.", unknown.why), unknown.remedy.clone());
            }
            Err(unknown) => found.unchecked(format!("Topic {name}"), unknown),
        }
    }
    found.ok("all four exist, and every partition has a leader.");
}

/// Whether the two input topics have as many partitions, and enough.
pub(super) fn partitions(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("partitions");
    let inputs: Vec<&Topic> = facts.inputs().filter(|topic| !topic.existing().is_empty()).collect();
    let [one, other] = inputs[..] else { return };
    let [of_one, of_other] = [one, other].map(|topic| topic.existing().len() as u64);
    let each = count(of_one, "partition", "partitions");
    if of_one != of_other {
        found.warning(
            format!(
                "{} has {each} and {} {of_other}: the two topics' records of a user are read by different processes more \
                 often than they need to be.",
                one.name, other.name
            ),
            format!(
                "Give both {} (kafka-topics.sh --alter); the order of one user's records does not matter to the result.",
                of_one.max(of_other)
            ),
        );
    }
    found.ok(format!("both input topics have {each}; more processes than that would have nothing to do."));
}

/// Whether the loss of one broker loses anything.
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
            format!("there is only one copy of {single}: a broker that is lost takes them along."),
            "Raise the replication factor to 3 (kafka-reassign-partitions.sh). On a single broker for development this is \
             as it has to be.",
        );
    }
    let hasty =
        names(&|topic| !has_single(topic) && topic.number("min.insync.replicas").is_some_and(|least| least < 2));
    if !hasty.is_empty() {
        found.warning(
            format!("{hasty} may be acknowledged by one broker alone (min.insync.replicas=1), and is lost with it."),
            "Set min.insync.replicas=2.",
        );
    }
    if !names(&|_| true).is_empty() {
        found.ok("every topic has more than one copy.");
    }
}

/// Whether settings may be read at all.
pub(super) fn settings(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("settings");
    for topic in &facts.topics {
        if let Some(Err(unknown)) = &topic.settings {
            found.unchecked(format!("Retention, compaction, sizes and timestamps of {}", topic.name), unknown);
        }
    }
}

/// Whether events outlast an outage of the service.
pub(super) fn retention(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("retention");
    for topic in facts.described(Role::Input) {
        if let Some(kept) = topic.retention_ms().filter(|kept| *kept < LEAST_RETENTION_MS) {
            found.warning(
                format!(
                    "{} keeps records for {}: an outage or a pause that is longer loses events.",
                    topic.name,
                    span(kept)
                ),
                format!("Set retention.ms={LEAST_RETENTION_MS} (7 days) or more."),
            );
        }
    }
    // Retention by size may be shorter than that by age.
    let is_bounded = |topic: &Topic| topic.cleans_up_by("delete") && topic.number("retention.bytes") >= Some(0);
    let unless =
        if facts.described(Role::Input).any(is_bounded) { ", unless retention.bytes is reached before" } else { "" };
    found.ok(format!("records of the input topics are kept for a week or longer{unless}."));
}

/// Whether compaction takes events away.
pub(super) fn cleanup(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("cleanup");
    for topic in facts.described(Role::Input).filter(|topic| topic.cleans_up_by("compact")) {
        let nulls = match &topic.tail {
            Some(Ok(tail)) => {
                format!(" Of its newest {} there are {} null.", count(tail.read, "record", "records"), tail.nulls)
            }
            _ => String::new(),
        };
        found.warning(
            format!(
                "{} is an input topic and compacted: all but the last event of a user may be gone before it is read, and a \
                 tombstone, which others write to tidy up, erases the user here.{nulls}",
                topic.name
            ),
            "Set cleanup.policy=delete, and write a tombstone only to erase a user.",
        );
    }
    found.ok("the input topics are not compacted.");
}

/// Whether the input topics take records that we refuse.
pub(super) fn record_size(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("record size");
    let limit = facts.max_value_bytes;
    for topic in facts.described(Role::Input) {
        let taken = topic.number("max.message.bytes");
        if let Some(taken) = taken.filter(|taken| taken - BATCH_HEADER_BYTES > limit) {
            found.warning(
                format!(
                    "{} takes records of up to {taken} bytes; those with a value over {limit} bytes become dead letters \
                     (too_large).",
                    topic.name
                ),
                format!("Set its max.message.bytes={limit}, or raise limits.max_value_bytes."),
            );
        }
    }
    found.ok(format!("the input topics take no larger records than the service ({limit} bytes)."));
}

/// Whether a producer with a wrong clock can win every merge to come.
pub(super) fn timestamps(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("timestamps");
    for topic in facts.described(Role::Input).filter(|topic| believes_producers(topic)) {
        found.warning(
            format!(
                "{} believes its producers' clocks: an event from one that is ahead wins over every later event of its user.",
                topic.name
            ),
            "Set message.timestamp.type=LogAppendTime, or message.timestamp.after.max.ms=3600000 (before Kafka 3.6 \
             message.timestamp.difference.max.ms).",
        );
    }
    found.ok("the brokers of the input topics limit how far in the future a record may be dated.");
}

fn believes_producers(topic: &Topic) -> bool {
    let limits = ["message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"];
    let is_limited = limits.iter().any(|name| topic.number(name).is_some_and(|limit| limit <= MOST_FUTURE_MS));
    topic.setting("message.timestamp.type") != Some("LogAppendTime") && !is_limited
}

/// Whether segment-changed holds the newest record of every user.
pub(super) fn compaction(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("compaction");
    let Some(topic) = facts.described(Role::SegmentChanged).next() else { return };
    let name = &topic.name;
    if !topic.cleans_up_by("compact") {
        found.warning(
            format!("{name} is not compacted: a new recommender cannot read every user's state from it."),
            "Set cleanup.policy=compact.",
        );
    }
    let until = topic.retention_ms().map_or_else(String::new, |kept| format!(", and deletes after {}", span(kept)));
    found.ok(format!("{name} is compacted{until}."));
}

/// Whether dead letters fit, and stay as long as they are needed and no longer.
pub(super) fn dead_letters(facts: &ClusterFacts, found: &mut Findings) {
    found.begin("dead letters");
    let Some(topic) = facts.described(Role::DeadLetter).next() else { return };
    let (name, limit) = (&topic.name, facts.max_value_bytes);
    if let Some(taken) = topic.number("max.message.bytes").filter(|taken| *taken < limit) {
        found.warning(
            format!(
                "{name} takes records of up to {taken} bytes: larger dead letters are truncated and cannot be redriven."
            ),
            format!("Set its max.message.bytes to {limit} or more."),
        );
    }
    if topic.cleans_up_by("compact") {
        let finding = format!("{name} is compacted: of the dead letters of one user only the last stays.");
        found.warning(finding, "Set cleanup.policy=delete.");
    }
    let Some(kept) = topic.retention_ms() else {
        return found.warning(
            format!(
                "{name} keeps dead letters for ever; they are the original records with all personal data in them."
            ),
            "Set cleanup.policy=delete with a retention.ms that your rules for personal data allow.",
        );
    };
    if kept < LEAST_RETENTION_MS {
        found.warning(
            format!("{name} keeps records for {}: dead letters are deleted before they are looked at.", span(kept)),
            format!("Set retention.ms={LEAST_RETENTION_MS} (7 days) or more."),
        );
    }
    found.ok(format!("{name} takes every record whole and keeps it for {}.", span(kept)));
}
