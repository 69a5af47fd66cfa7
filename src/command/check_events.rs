//! `segmenter check-events`: what would become of events, before they are produced.

use std::io::{BufRead, Write};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::event::{self, Body, Decoded, Event, Kind, Limits, Millis, RawRecord};
use crate::exit::Exit;

/// Say of each event on standard input (one JSON text a line) what would become of it.
///
/// Whether the platform knows the user is not checked. No value of a profile is printed. Exit codes: 0 all would be applied
/// or skipped; 4 some would end as dead letters.
#[derive(Debug, Args)]
pub struct CheckEventsArgs {
    /// The topic that the events are for. Without it each event's eventType decides, else its updatedAt.
    #[arg(long, value_enum)]
    topic_kind: Option<TopicKind>,
    /// The records' key, which names the user where the payload does not.
    #[arg(long)]
    key: Option<String>,
    /// Write a JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TopicKind {
    OnboardingCompleted,
    ProfileUpdated,
}

/// What would become of one event.
enum Fate {
    Accepted(Box<Event>),
    Skipped(&'static str),
    Rejected { reason: &'static str, detail: String },
}

/// Checks each line of `input`; `now` stands for the time at which the broker would stamp the records.
///
/// # Errors
/// What goes wrong in reading and writing.
pub fn run(args: &CheckEventsArgs, input: impl BufRead, mut out: impl Write, now: Millis) -> anyhow::Result<Exit> {
    let (mut accepted, mut skipped, mut rejected) = (0_u64, 0_u64, 0_u64);
    for (index, line) in input.split(b'\n').enumerate() {
        let line = line.context("could not read an event")?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let fate = check(args, &line, now);
        match fate {
            Fate::Accepted(_) => accepted += 1,
            Fate::Skipped(_) => skipped += 1,
            Fate::Rejected { .. } => rejected += 1,
        }
        let number = index + 1;
        if args.json {
            writeln!(out, "{}", to_json(number, &fate))?;
        } else {
            writeln!(out, "line {number}: {}", to_text(&fate))?;
        }
    }
    if !args.json {
        writeln!(out, "{accepted} would be accepted, {skipped} skipped, {rejected} dead-lettered")?;
    }
    Ok(if rejected == 0 { Exit::Ok } else { Exit::Findings })
}

fn check(args: &CheckEventsArgs, line: &[u8], now: Millis) -> Fate {
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
    match event::decode(&record, &Limits::default()) {
        Decoded::Event(event) => Fate::Accepted(Box::new(event)),
        Decoded::Skipped(skip) => Fate::Skipped(skip.as_str()),
        Decoded::Rejected(rejection) => Fate::Rejected { reason: rejection.reason.as_str(), detail: rejection.detail },
    }
}

fn kind(args: &CheckEventsArgs, line: &[u8]) -> Kind {
    match args.topic_kind {
        Some(TopicKind::OnboardingCompleted) => return Kind::OnboardingCompleted,
        Some(TopicKind::ProfileUpdated) => return Kind::ProfileUpdated,
        None => {}
    }
    // What cannot be read is rejected by decoding, whatever its kind.
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    let is_update = match value.get("eventType").and_then(Value::as_str) {
        Some(event_type) => event_type == Kind::ProfileUpdated.event_type(),
        None => value.get("payload").unwrap_or(&value).get("updatedAt").is_some(),
    };
    if is_update { Kind::ProfileUpdated } else { Kind::OnboardingCompleted }
}

fn effect(event: &Event) -> (&'static str, Vec<&'static str>) {
    match &event.body {
        Body::Onboarding(sections) => ("onboarding", sections.iter().map(|section| section.kind().name()).collect()),
        Body::Update(sections) => ("update", sections.iter().map(|section| section.kind().name()).collect()),
        Body::Tombstone => ("erasure", Vec::new()),
    }
}

fn to_text(fate: &Fate) -> String {
    match fate {
        Fate::Accepted(event) => {
            let (effect, sections) = effect(event);
            format!("accepted: {effect} of {} at {}, carries {}", event.user, event.stamp.time, sections.join(" "))
        }
        Fate::Skipped(reason) => format!("skipped: {reason}"),
        Fate::Rejected { reason, detail } => format!("dead letter: {reason}: {detail}"),
    }
}

fn to_json(line: usize, fate: &Fate) -> Value {
    match fate {
        Fate::Accepted(event) => {
            let (effect, sections) = effect(event);
            json!({"line": line, "outcome": "accepted", "effect": effect, "userId": event.user.as_str(),
                "time": event.stamp.time.to_string(), "eventId": &*event.stamp.id, "sections": sections})
        }
        Fate::Skipped(reason) => json!({"line": line, "outcome": "skipped", "reason": reason}),
        Fate::Rejected { reason, detail } => {
            json!({"line": line, "outcome": "dead_letter", "reason": reason, "detail": detail})
        }
    }
}
