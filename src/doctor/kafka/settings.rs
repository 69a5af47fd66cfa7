//! Verdicts on the topics' settings: how long they keep what, what they take, and whose clock they believe.

use super::{Facts, Needs, Role, Settings, Tail, Topic};
use crate::doctor::finding::{Check, Finding};
use crate::doctor::words::{count, list, span};

const SETTINGS: Check = Check::kafka("settings");
const RETENTION: Check = Check::kafka("retention");
const CLEANUP: Check = Check::kafka("cleanup");
const NULL_RECORDS: Check = Check::kafka("null records");
const RECORD_SIZE: Check = Check::kafka("record size");
const TIMESTAMPS: Check = Check::kafka("timestamps");
const COMPACTION: Check = Check::kafka("compaction");
const DEAD_LETTERS: Check = Check::kafka("dead letters");

const DAY_MS: u64 = 86_400_000;
/// How long an outage or a pause may last that nobody has to hurry for.
const LEAST_RETENTION_MS: u64 = 7 * DAY_MS;
/// A limit that is further in the future than this limits nothing.
const MOST_FUTURE_MS: i64 = DAY_MS as i64;
/// What a record batch takes besides its records (Kafka's documentation, "Record Batch"): a topic's limit covers it too.
const BATCH_HEADER_BYTES: i64 = 61;

/// Whether settings may be read at all.
pub(super) fn known(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let untold = facts.topics.iter().filter(|topic| !topic.existing().is_empty()).filter_map(|topic| {
        let subject = format!("Retention, compaction, sizes and timestamps of {}", topic.name);
        Some(SETTINGS.unchecked(subject, topic.settings.as_ref().err()?))
    });
    untold.collect()
}

/// Whether events wait long enough for a service that is away.
pub(super) fn retention(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut shortest: Option<u64> = None;
    for (topic, settings) in facts.described_inputs() {
        let Some(kept) = settings.retention_ms() else { continue };
        shortest = Some(shortest.map_or(kept, |shortest| shortest.min(kept)));
        if kept < LEAST_RETENTION_MS {
            findings.push(RETENTION.warning(
                format!(
                    "{} keeps records for {}: an outage or a pause that is longer loses events.",
                    topic.name,
                    span(kept)
                ),
                format!("Set retention.ms={LEAST_RETENTION_MS} (7 days) or more."),
            ));
        }
    }
    if findings.is_empty() && facts.described_inputs().next().is_some() {
        let kept =
            shortest.map_or_else(|| "are not deleted by age".to_owned(), |kept| format!("are kept for {}", span(kept)));
        findings.push(RETENTION.ok(format!("records of the input topics {kept}{}.", by_size(facts))));
    }
    findings
}

/// Retention by size, which may be shorter than that by age.
fn by_size(facts: &Facts) -> String {
    let bounded = facts.described_inputs().filter(|(_, settings)| {
        settings.cleans_up_by("delete") && settings.number("retention.bytes").is_some_and(|bytes| bytes >= 0)
    });
    let names: Vec<&str> = bounded.map(|(topic, _)| topic.name.as_str()).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(", unless retention.bytes of {} is reached before", list(names))
}

/// Whether compaction takes events away.
pub(super) fn cleanup(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let compacted = facts.described_inputs().filter(|(_, settings)| settings.cleans_up_by("compact"));
    let mut findings: Vec<Finding> = compacted
        .map(|(topic, _)| {
            let nulls = match &topic.tail {
                Some(Ok(tail)) => format!(" Of its newest {} there are {} null.", records(tail.read), tail.nulls),
                _ => String::new(),
            };
            CLEANUP.warning(
                format!(
                    "{} is an input topic and compacted: all but the last event of a user may be gone before it is read, and a \
                     null record, which others write to tidy up, erases the user here.{nulls}",
                    topic.name
                ),
                "Set cleanup.policy=delete, and write a null record only to erase a user.",
            )
        })
        .collect();
    if findings.is_empty() && facts.described_inputs().next().is_some() {
        findings.push(CLEANUP.ok("the input topics are not compacted."));
    }
    findings
}

/// How many of the newest records erase their users.
pub(super) fn null_records(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = Tail { complete: true, ..Tail::default() };
    for topic in facts.inputs() {
        match &topic.tail {
            Some(Ok(tail)) => seen.add(tail),
            Some(Err(untold)) => {
                findings.push(NULL_RECORDS.unchecked(format!("What {} holds", topic.name), untold));
            }
            None => {}
        }
    }
    if findings.is_empty() && facts.inputs().any(|topic| topic.tail.is_some()) {
        let read = records(seen.read);
        let partly = if seen.complete { "" } else { " (not all could be read in time)" };
        findings.push(NULL_RECORDS.ok(match (seen.read, seen.nulls) {
            (0, _) => format!("the input topics hold no records{partly}."),
            (_, 0) => format!("none of the newest {read} of the input topics is null{partly}."),
            (_, 1) => format!("of the newest {read} of the input topics 1 is null; it erases its user{partly}."),
            (_, nulls) => {
                format!("of the newest {read} of the input topics {nulls} are null; each erases its user{partly}.")
            }
        }));
    }
    findings
}

fn records(number: u64) -> String {
    count(number, "record", "records")
}

/// Whether the input topics take records that we refuse.
pub(super) fn record_size(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    let limit = i64::try_from(needs.max_value_bytes).unwrap_or(i64::MAX);
    let mut findings = Vec::new();
    for (topic, settings) in facts.described_inputs() {
        let Some(taken) = settings.number("max.message.bytes") else { continue };
        if taken - BATCH_HEADER_BYTES > limit {
            findings.push(RECORD_SIZE.warning(
                format!(
                    "{} takes records of up to {taken} bytes; those with a value over {limit} bytes become dead letters (too_large).",
                    topic.name
                ),
                format!("Set its max.message.bytes={limit}, or raise limits.max_value_bytes."),
            ));
        }
    }
    if findings.is_empty() && facts.described_inputs().next().is_some() {
        findings
            .push(RECORD_SIZE.ok(format!("the input topics take no larger records than the service ({limit} bytes).")));
    }
    findings
}

/// Whether a producer with a wrong clock can win every merge to come.
pub(super) fn timestamps(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let trusting = facts.described_inputs().filter(|(_, settings)| believes_producers(settings));
    let mut findings: Vec<Finding> = trusting
        .map(|(topic, _)| {
            TIMESTAMPS.warning(
                format!(
                    "{} believes its producers' clocks: an event from one that is ahead wins over every later event of its user.",
                    topic.name
                ),
                "Set message.timestamp.type=LogAppendTime, or message.timestamp.after.max.ms=3600000 (before Kafka 3.6 \
                 message.timestamp.difference.max.ms).",
            )
        })
        .collect();
    if findings.is_empty() && facts.described_inputs().next().is_some() {
        findings
            .push(TIMESTAMPS.ok("the brokers of the input topics limit how far in the future a record may be dated."));
    }
    findings
}

fn believes_producers(settings: &Settings) -> bool {
    let stamps_itself = settings.text("message.timestamp.type") == Some("LogAppendTime");
    let limits = ["message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"];
    let is_limited = limits.iter().any(|name| settings.number(name).is_some_and(|limit| limit <= MOST_FUTURE_MS));
    !stamps_itself && !is_limited
}

/// Whether segment-changed holds the newest record of every user.
pub(super) fn compaction(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let Some((topic, settings)) = of_role(facts, Role::SegmentChanged) else { return Vec::new() };
    let name = &topic.name;
    if !settings.cleans_up_by("compact") {
        return vec![COMPACTION.warning(
            format!("{name} is not compacted: a new recommender cannot read every user's state from it."),
            "Set cleanup.policy=compact.",
        )];
    }
    vec![COMPACTION.ok(match settings.retention_ms() {
        Some(kept) => format!("{name} is compacted, and deletes what is older than {}.", span(kept)),
        None => format!("{name} is compacted: it holds the newest record of every user."),
    })]
}

/// Whether dead letters fit, and stay as long as somebody needs to look at them and no longer.
pub(super) fn dead_letters(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    let Some((topic, settings)) = of_role(facts, Role::DeadLetter) else { return Vec::new() };
    let name = &topic.name;
    let limit = i64::try_from(needs.max_value_bytes).unwrap_or(i64::MAX);
    let mut findings = Vec::new();
    if let Some(taken) = settings.number("max.message.bytes").filter(|taken| *taken < limit) {
        findings.push(DEAD_LETTERS.warning(
            format!("{name} takes records of up to {taken} bytes: larger dead letters are truncated and cannot be sent again."),
            format!("Set its max.message.bytes to {limit} or more."),
        ));
    }
    if settings.cleans_up_by("compact") {
        findings.push(DEAD_LETTERS.warning(
            format!("{name} is compacted: of the dead letters of one user only the last stays."),
            "Set cleanup.policy=delete.",
        ));
    }
    match settings.retention_ms() {
        Some(kept) if kept < LEAST_RETENTION_MS => findings.push(DEAD_LETTERS.warning(
            format!("{name} keeps records for {}: dead letters are gone before anybody has looked.", span(kept)),
            format!("Set retention.ms={LEAST_RETENTION_MS} (7 days) or more."),
        )),
        Some(_) => {}
        None => findings.push(DEAD_LETTERS.warning(
            format!(
                "{name} keeps dead letters for ever; they are the original records with all personal data in them."
            ),
            "Set cleanup.policy=delete with a retention.ms that your rules for personal data allow.",
        )),
    }
    if findings.is_empty() {
        let kept = settings.retention_ms().map(span).unwrap_or_default();
        findings.push(DEAD_LETTERS.ok(format!("{name} takes every record whole and keeps it for {kept}.")));
    }
    findings
}

fn of_role(facts: &Facts, role: Role) -> Option<(&Topic, &Settings)> {
    facts.described().find(|(topic, _)| topic.role == role)
}
