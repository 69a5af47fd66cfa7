//! Verdicts on the topics themselves: that they exist, how they are divided and copied.

use std::collections::BTreeSet;

use super::{Facts, Needs, Topic};
use crate::doctor::finding::{Check, Finding};
use crate::doctor::words::{count, list};

const TOPICS: Check = Check::kafka("topics");
const PARTITIONS: Check = Check::kafka("partitions");
const REPLICATION: Check = Check::kafka("replication");

/// Whether all four exist and have leaders.
pub(super) fn exist(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts.topics.iter().filter_map(existence).collect();
    if findings.is_empty() {
        findings.push(TOPICS.ok("all four exist, and every partition has a leader."));
    }
    findings
}

fn existence(topic: &Topic) -> Option<Finding> {
    let name = &topic.name;
    match &topic.partitions {
        Ok(None) => Some(TOPICS.problem(
            format!("topic {name} does not exist."),
            format!(
                "Create it; the service never does: kafka-topics.sh --bootstrap-server B --create --topic {name} --partitions N"
            ),
        )),
        Ok(Some(partitions)) => {
            let orphans: Vec<i32> =
                partitions.iter().filter(|one| !one.has_leader).map(|partition| partition.number).collect();
            (!orphans.is_empty()).then(|| {
                TOPICS.problem(
                    format!("of topic {name} no broker leads partition {}.", list(orphans)),
                    "Bring back the brokers that hold its replicas.",
                )
            })
        }
        Err(untold) if untold.denied => Some(TOPICS.problem(
            format!("topic {name} cannot be seen: {}.", untold.why),
            untold.advice.clone(),
        )),
        Err(untold) => Some(TOPICS.unchecked(format!("Topic {name}"), untold)),
    }
}

/// Whether the two input topics have as many partitions, and enough.
pub(super) fn partitions(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    let inputs: Vec<(&str, u64)> = facts
        .inputs()
        .filter(|topic| !topic.existing().is_empty())
        .map(|topic| (topic.name.as_str(), topic.existing().len() as u64))
        .collect();
    let [(one, of_one), (other, of_other)] = inputs[..] else { return Vec::new() };
    if of_one != of_other {
        return vec![PARTITIONS.warning(
            format!(
                "{one} has {} and {other} {of_other}: the two topics' records of a user are read by different processes \
                 more often than they need to be.",
                count(of_one, "partition", "partitions")
            ),
            format!(
                "Give both {} (kafka-topics.sh --alter); the order of one user's records does not matter to the result.",
                of_one.max(of_other)
            ),
        )];
    }
    let each = count(of_one, "partition", "partitions");
    let workers = needs.workers;
    vec![PARTITIONS.ok(if of_one < workers {
        format!("both input topics have {each}, which is fewer than the {workers} workers of one process.")
    } else {
        format!("both input topics have {each}; more processes than that would have nothing to do.")
    })]
}

/// Whether the loss of one broker loses anything.
pub(super) fn replication(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let is_single = |topic: &&Topic| topic.existing().iter().any(|partition| partition.replicas == 1);
    let single: Vec<&str> = facts.topics.iter().filter(is_single).map(|topic| topic.name.as_str()).collect();
    let mut findings = Vec::new();
    if !single.is_empty() {
        findings.push(REPLICATION.warning(
            format!("there is only one copy of {}: a broker that is lost takes them along.", list(single)),
            "Raise the replication factor to 3 (kafka-reassign-partitions.sh). On a single broker for development this is as it has to be.",
        ));
    }
    let is_hasty = |topic: &Topic, insync: i64| insync < 2 && topic.existing().iter().all(|one| one.replicas > 1);
    let hasty: BTreeSet<&str> = facts
        .described()
        .filter(|(topic, settings)| {
            !topic.existing().is_empty() && is_hasty(topic, settings.number("min.insync.replicas").unwrap_or(i64::MAX))
        })
        .map(|(topic, _)| topic.name.as_str())
        .collect();
    if !hasty.is_empty() {
        findings.push(REPLICATION.warning(
            format!(
                "{} may be acknowledged by one broker alone (min.insync.replicas=1), and is lost with it.",
                list(hasty)
            ),
            "Set min.insync.replicas=2.",
        ));
    }
    if findings.is_empty() && facts.topics.iter().any(|topic| !topic.existing().is_empty()) {
        findings.push(REPLICATION.ok("every topic has more than one copy."));
    }
    findings
}
