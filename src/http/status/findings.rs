//! What an operator has to know first: each problem with its impact, the action, the reason as the process knows it, a command
//! and the section of the runbook. Pure: from the rest of the snapshot.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::recent::Ago;
use super::{Count, Status};
use crate::ingest::{dead_letter_writer, outbox_gate, positions, schema_wait, stuck};
use crate::kafka::topics;
use crate::runtime::health::{ComponentReport, STARTING};
use crate::runtime::human::{duration, whole};
use crate::store::writer;

/// How urgent a finding is, as of the alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Events are not applied or changes not published, or soon will not be.
    Critical,
    Warning,
}

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    pub severity: Severity,
    pub impact: String,
    pub action: String,
    /// As the components of the process report it.
    pub reasons: Vec<String>,
    #[schema(required)]
    pub command: Option<String>,
    /// The section of the runbook, by the anchor of its heading.
    pub section: &'static str,
}

impl Finding {
    fn new(severity: Severity, impact: impl Into<String>, action: &str, section: &'static str) -> Self {
        let (impact, action) = (impact.into(), action.to_owned());
        Self { severity, impact, action, reasons: Vec::new(), command: None, section }
    }

    fn because(self, reasons: Vec<String>) -> Self {
        Self { reasons, ..self }
    }

    fn command(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }
}

/// Of the alerts `SegmenterDeadLetters` and `SegmenterPositionRewinds`: how long a count that has grown is a finding.
const RECENTLY: Duration = Duration::from_secs(15 * 60);
/// How long a pause of the intake is usual.
const USUAL_PAUSE: Duration = Duration::from_secs(60);
/// The ages, in seconds, of the alerts `SegmenterOutboxOld` and `SegmenterLagGrowing`.
const OLD_OUTBOX: f64 = 120.0;
const OLD_LAG: f64 = 300.0;
/// How long, in seconds, a group takes to assign partitions at most, usually.
const USUAL_START: f64 = 60.0;

/// The findings about a snapshot, the most urgent first.
pub(super) fn of(status: &Status, ago: Ago) -> Vec<Finding> {
    let mut found = of_health(status);
    found.extend(lag(status));
    found.extend(outbox(status));
    found.extend(intake(ago));
    found.extend(assignment(status));
    found.extend(dead_letters(&status.dead_letters, ago));
    found.extend(rewind(ago));
    found.extend(jobs(status));
    // A stable sort.
    found.sort_by_key(|finding| finding.severity);
    found
}

/// The one problem behind components that are not ready: an unavailable database shows at several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Problem {
    Database,
    Kafka,
    Partitions,
    Vanished,
    Registry,
    DeadLetters,
    Schema,
    Starting,
}

impl Problem {
    fn of(component: &str, reason: &str) -> Self {
        match component {
            _ if reason == STARTING => Self::Starting,
            topics::COMPONENT => Self::Kafka,
            stuck::COMPONENT => Self::Partitions,
            schema_wait::COMPONENT => Self::Registry,
            positions::COMPONENT if reason.starts_with(positions::VANISHED) => Self::Vanished,
            positions::COMPONENT | outbox_gate::COMPONENT | writer::COMPONENT => Self::Database,
            dead_letter_writer::COMPONENT => Self::DeadLetters,
            _ => Self::Schema,
        }
    }

    fn finding(self) -> Finding {
        use Severity::{Critical, Warning};
        let new = Finding::new;
        match self {
            Self::Database => new(
                Critical,
                "Events are not applied. Nothing is lost or dead-lettered, and the partitions are kept.",
                "Restore the database or its rights; the process goes on by itself.",
                "it-is-not-ready",
            )
            .command("segmenter doctor"),
            Self::Kafka => new(
                Critical,
                "Events may not be read, and changes may not be published.",
                "Restore the brokers, the topics or the rights that the reason names; the process goes on by itself.",
                "it-is-not-ready",
            )
            .command("segmenter doctor"),
            Self::Partitions => new(
                Critical,
                "The events of some partitions are not applied; the other partitions go on.",
                "Compare the reason with the runbook's table, and check the partitions.",
                "a-partition-is-not-read",
            )
            .command("segmenter positions"),
            Self::Vanished => new(
                Critical,
                "No offset is committed: the database no longer has the positions of partitions.",
                "Wait for the end of the restore; where none is under way, restart the processes.",
                "the-database-went-back-in-time",
            )
            .command("segmenter positions"),
            Self::Registry => new(
                Critical,
                "No record is read: the schemas that records name are unknown. Nothing is skipped.",
                "Restore the schema registry; the process goes on by itself.",
                "the-schema-registry-is-unavailable",
            ),
            Self::DeadLetters => new(
                Critical,
                "Partitions with rejected records stay where they are: no offset is committed past an unwritten dead letter.",
                "Create the dead-letter topic, or grant Write on it.",
                "it-is-not-ready",
            ),
            Self::Schema => new(
                Critical,
                "Nothing is read until the database has the schema of this version.",
                "Check the migrations and the database.",
                "the-schema-is-refused",
            )
            .command("segmenter migrate info"),
            Self::Starting => new(
                Warning,
                "The process starts, and reads nothing yet.",
                "Wait for the first answers.",
                "it-is-not-ready",
            ),
        }
    }
}

fn of_health(status: &Status) -> Vec<Finding> {
    let health = &status.health;
    let mut found = Vec::new();
    if !health.live {
        let action = "Restart the process, and send its log to the developers of segmenter.";
        found.push(Finding::new(
            Severity::Critical,
            "No event is processed: a loop of the process makes no progress.",
            action,
            "the-lag-grows",
        ));
    }
    let problem = |part: &ComponentReport| {
        let reason = part.reason.as_ref()?;
        Some((Problem::of(part.component, reason), format!("{}: {reason}", part.component)))
    };
    let mut problems: Vec<(Problem, String)> = health.components.iter().filter_map(problem).collect();
    problems.sort();
    for of_one in problems.chunk_by(|one, other| one.0 == other.0) {
        let reasons = of_one.iter().map(|(_, reason)| reason.clone()).collect();
        found.extend(of_one.first().map(|(problem, _)| problem.finding().because(reasons)));
    }
    found
}

fn lag(status: &Status) -> Option<Finding> {
    let oldest = status.lag.oldest_seconds;
    (oldest > OLD_LAG).then(|| {
        let is_moving = status.throughput.records_per_second > 0.0;
        let severity = if is_moving { Severity::Warning } else { Severity::Critical };
        let action = if is_moving {
            "Wait while the lag shrinks; if it grows, find the bottleneck."
        } else {
            "No record was finished in ten seconds: find the component that holds them up."
        };
        let impact = format!("Segments are out of date: the oldest event has waited for {}.", duration(oldest));
        Finding::new(severity, impact, action, "the-lag-grows").command("segmenter doctor")
    })
}

fn outbox(status: &Status) -> Option<Finding> {
    let age = status.outbox.oldest_seconds;
    (status.outbox.rows > 0.0 && age > OLD_OUTBOX).then(|| {
        let impact = format!("Changes are not published: the oldest has waited for {}.", duration(age));
        Finding::new(Severity::Critical, impact, "Check Kafka and the topic segment-changed.", "the-outbox-is-deep")
    })
}

fn intake(ago: Ago) -> Option<Finding> {
    ago.paused.filter(|paused| *paused >= USUAL_PAUSE).map(|paused| {
        let impact =
            format!("Segments fall behind: the intake has been paused for {}.", duration(paused.as_secs_f64()));
        let action = "Check the database, the outbox and the schema registry; a job may take the capacity.";
        Finding::new(Severity::Warning, impact, action, "intake-is-paused").command("segmenter job list")
    })
}

fn assignment(status: &Status) -> Option<Finding> {
    let is_idle =
        status.health.ready && status.lag.assigned_partitions == 0.0 && status.process.uptime_seconds > USUAL_START;
    is_idle.then(|| {
        let impact = "This process reads nothing: no partition is assigned to it.";
        let action = "No fault where others have them all; else check the consumer group.";
        Finding::new(Severity::Warning, impact, action, "no-partition-is-assigned").command("segmenter positions")
    })
}

fn dead_letters(counts: &[Count], ago: Ago) -> Option<Finding> {
    let ago = ago.dead_letter.filter(|ago| *ago < RECENTLY)?;
    let all: u64 = counts.iter().map(|count| count.count).sum();
    let ago = duration(ago.as_secs_f64().max(1.0));
    let impact =
        format!("Events are not applied: {} dead letters since the start, the last {ago} ago.", whole(all as f64));
    let is_defect = counts.iter().any(|count| count.name == "internal");
    let (action, section) = if is_defect {
        ("segmenter panicked on some of them: send the log's panic lines to its developers.", "a-defect")
    } else {
        ("Inspect them and repair their cause; then redrive them.", "dead-letters")
    };
    Some(Finding::new(Severity::Warning, impact, action, section).command("segmenter dlq list --from -2h"))
}

fn rewind(ago: Ago) -> Option<Finding> {
    ago.rewind.filter(|ago| *ago < RECENTLY).map(|_| {
        let impact =
            "Changes are repeated, and erasures may be lost: the database went back in time, or was restarted.";
        let action =
            "After a plain restart nothing has to be done; else compare topic and database once the lag is gone.";
        Finding::new(Severity::Warning, impact, action, "the-database-went-back-in-time")
            .command("segmenter verify --topic")
    })
}

/// Of each interrupted job.
fn jobs(status: &Status) -> impl Iterator<Item = Finding> {
    let interrupted = status.jobs.iter().flatten().filter(|job| job.state == "interrupted");
    interrupted.map(|job| {
        let impact =
            format!("Changes of a {} may be unpublished: the job is interrupted and has no process.", job.kind);
        let finding = Finding::new(Severity::Warning, impact, "Resume or cancel it.", "replaying");
        Finding { command: job.commands.first().cloned(), ..finding }
    })
}

#[cfg(test)]
mod tests;
