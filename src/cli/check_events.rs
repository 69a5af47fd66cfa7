//! `segmenter check-events`: the outcome that events would have, before they are produced.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io::{BufRead, Write};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::follow_up::again;
use super::table::{print, printable};
use crate::checks::found::Found;
use crate::checks::reasons;
use crate::codec;
use crate::codec::{Decoded, Limits, RawRecord};
use crate::domain::event::{Body, Event, Kind, Millis, Reason};
use crate::runtime::exit::Exit;

/// Check events on standard input before they are produced.
///
/// Each line is one JSON text. Its outcome is accepted, skipped or dead letter, with the reason. The counts, and the
/// remedy of each reason, follow. The platform's users are not looked up. Profile values are not printed.
///
/// Exit codes: 0 every event would be accepted or skipped; 4 some would be dead-lettered.
#[derive(Debug, Args)]
pub struct CheckEventsArgs {
    /// Topic of the events. Default: by each event's eventType, else by the presence of updatedAt.
    #[arg(long, value_enum)]
    topic_kind: Option<TopicKind>,
    /// Key of the records; it names the user if the payload does not.
    #[arg(long)]
    key: Option<String>,
    /// Write one JSON object per line; the last has the counts, under `summary`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TopicKind {
    OnboardingCompleted,
    ProfileUpdated,
}

/// The outcome of one event.
#[derive(Debug, Serialize)]
struct Checked {
    line: usize,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum Outcome {
    Accepted { effect: &'static str, user_id: String, time: String, event_id: String, sections: Vec<&'static str> },
    Skipped { reason: &'static str },
    DeadLetter { reason: Reason, detail: String },
}

/// The counts of all lines.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    accepted: u64,
    skipped: u64,
    dead_letters: u64,
    findings: Vec<Found>,
}

impl Display for Checked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: ", self.line)?;
        match &self.outcome {
            Outcome::Accepted { effect, user_id, time, sections, .. } => {
                let user = printable(user_id);
                write!(out, "accepted: {effect} of {user} at {time}, carries {}", sections.join(" "))
            }
            Outcome::Skipped { reason } => write!(out, "skipped: {reason}"),
            Outcome::DeadLetter { reason, detail } => {
                write!(out, "dead letter: {}: {}", reason.as_str(), printable(detail))
            }
        }
    }
}

/// Checks each line of `input`; `now` is the timestamp that the broker would give the records.
///
/// # Errors
/// `input` cannot be read or `out` cannot be written to.
pub fn run(args: &CheckEventsArgs, input: impl BufRead, mut out: impl Write, now: Millis) -> anyhow::Result<Exit> {
    let (mut summary, mut rejected) = (Summary::default(), BTreeMap::<Reason, u64>::new());
    for (index, line) in input.split(b'\n').enumerate() {
        let line = line.context("could not read an event")?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let outcome = check(args, &line, now);
        match outcome {
            Outcome::Accepted { .. } => summary.accepted += 1,
            Outcome::Skipped { .. } => summary.skipped += 1,
            Outcome::DeadLetter { reason, .. } => {
                summary.dead_letters += 1;
                *rejected.entry(reason).or_default() += 1;
            }
        }
        let checked = Checked { line: index + 1, outcome };
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&checked)?)?;
        } else {
            writeln!(out, "{checked}")?;
        }
    }
    let found = |(reason, count)| reasons::found(reason, count, again(&[], &[]));
    summary.findings = rejected.into_iter().map(found).collect();
    if args.json {
        print(&json!({"summary": summary}), true, &mut out)?;
    } else {
        let Summary { accepted, skipped, dead_letters, findings } = &summary;
        writeln!(out, "{accepted} would be accepted, {skipped} skipped, {dead_letters} dead-lettered")?;
        print(findings, false, &mut out)?;
    }
    Ok(if summary.dead_letters == 0 { Exit::Ok } else { Exit::Findings })
}

fn check(args: &CheckEventsArgs, line: &[u8], now: Millis) -> Outcome {
    let record = RawRecord {
        kind: kind(args, line),
        topic: "standard-input",
        partition: 0,
        offset: 0,
        key: args.key.as_deref().map(str::as_bytes),
        value: Some(line),
        timestamp: Some(now.0),
        traceparent: None,
    };
    match codec::decode(&record, &Limits::default()) {
        Decoded::Event(event) => accepted(&event),
        Decoded::Skipped(skip) => Outcome::Skipped { reason: skip.as_str() },
        Decoded::Rejected(rejection) => Outcome::DeadLetter { reason: rejection.reason, detail: rejection.detail },
    }
}

fn accepted(event: &Event) -> Outcome {
    let (effect, sections) = match &event.body {
        Body::Onboarding(sections) => ("onboarding", sections.as_slice()),
        Body::Update(sections) => ("update", sections.as_slice()),
        Body::Tombstone => ("erasure", [].as_slice()),
    };
    Outcome::Accepted {
        effect,
        user_id: event.user.to_string(),
        time: event.stamp.time.to_string(),
        event_id: event.stamp.id.to_string(),
        sections: sections.iter().map(|section| section.kind().name()).collect(),
    }
}

fn kind(args: &CheckEventsArgs, line: &[u8]) -> Kind {
    match args.topic_kind {
        Some(TopicKind::OnboardingCompleted) => return Kind::OnboardingCompleted,
        Some(TopicKind::ProfileUpdated) => return Kind::ProfileUpdated,
        None => {}
    }
    // Decoding rejects a line that is not JSON, whatever its kind.
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    let is_update = match value.get("eventType").and_then(Value::as_str) {
        Some(event_type) => event_type == Kind::ProfileUpdated.event_type(),
        None => value.get("payload").unwrap_or(&value).get("updatedAt").is_some(),
    };
    if is_update { Kind::ProfileUpdated } else { Kind::OnboardingCompleted }
}
