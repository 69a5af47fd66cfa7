//! `segmenter dlq show`: one dead letter.

use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};

use super::list::{original, to_json};
use super::text::{block, hex, line, printable};
use crate::event::Millis;
use crate::exit::Exit;
use crate::kafka::dead_letter_reader::{Content, DeadLetter, Place};
use crate::kafka::topic_reader::{Source, Span};

/// Show one dead letter: why it is one, where the original is, its key and its original headers.
///
/// Its value is shown only with --payload: it is the raw record with all that its producer sent, names and phone numbers
/// among it. Exit codes: 0 shown; 1 failure, or there is no dead letter at that place; 2 usage; 3 there is no such topic;
/// 75 Kafka is away.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Where it is in the dead-letter topic: the place that `dlq list` shows.
    #[arg(value_name = "PARTITION:OFFSET", value_parser = parse_place)]
    place: Place,
    /// Show the value too: raw personal data. As it is if it is text, else hexadecimal.
    #[arg(long)]
    payload: bool,
    /// Write a JSON object.
    #[arg(long)]
    json: bool,
}

fn parse_place(text: &str) -> Result<Place, String> {
    let parse = || {
        let (partition, offset) = text.split_once(':')?;
        Some(Place { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
    };
    let is_possible = |place: &Place| place.partition >= 0 && (0..i64::MAX).contains(&place.offset);
    parse().filter(is_possible).ok_or_else(|| "must be a partition and an offset, as in 0:17".to_owned())
}

pub(super) fn run(args: &ShowArgs, source: &Source, out: &mut impl Write) -> anyhow::Result<Exit> {
    let Place { partition, offset } = args.place;
    let held = source.spans()?.into_iter().find(|span| span.partition == partition);
    let is_held = held.is_some_and(|span| (span.first..span.end).contains(&offset));
    let message =
        if is_held { source.read(&[Span { partition, first: offset, end: offset + 1 }])?.next_record()? } else { None };
    let Some(message) = message else {
        anyhow::bail!("{} holds no record at {}", source.topic, args.place);
    };
    let letter = match DeadLetter::parse(&message) {
        Ok(letter) => letter,
        Err(foreign) => {
            anyhow::bail!("the record at {} is no dead letter of this program: {}", foreign.place, foreign.why)
        }
    };
    if args.json {
        writeln!(out, "{}", shown_json(&letter, args.payload))?;
    } else {
        write_text(&letter, args.payload, out)?;
    }
    Ok(Exit::Ok)
}

fn write_text(letter: &DeadLetter, payload: bool, out: &mut impl Write) -> io::Result<()> {
    let mut row = |name: &str, value: &str| writeln!(out, "{name:<10} {value}");
    row("original", &original(letter))?;
    let timestamp = letter.origin.timestamp.filter(|timestamp| *timestamp >= 0);
    row("produced", &timestamp.map_or_else(|| "without a time".to_owned(), |at| Millis(at).to_string()))?;
    row("key", &letter.key.as_deref().map_or_else(|| "null".to_owned(), line))?;
    row("reason", letter.reason.as_str())?;
    row("message", &printable(&letter.message))?;
    row("failed at", &letter.failed_at.to_string())?;
    row("tries", &letter.attempts.to_string())?;
    let value = match &letter.content {
        Content::Whole(None) => "null".to_owned(),
        Content::Whole(Some(value)) => format!("{} bytes", value.len()),
        Content::Truncated { first, length, sha256 } => {
            format!("{length} bytes, of which the first {} are here; SHA-256 {}", first.len(), printable(sha256))
        }
    };
    row("value", &value)?;
    for (name, value) in letter.original_headers() {
        row(
            "header",
            &format!("{}: {}", printable(&name.to_string_lossy()), value.map_or_else(|| "null".to_owned(), line)),
        )?;
    }
    match letter.content.bytes() {
        Some(bytes) if payload => writeln!(out, "\n{}", block(bytes)),
        _ => Ok(()),
    }
}

fn shown_json(letter: &DeadLetter, payload: bool) -> Value {
    let mut shown = to_json(letter, 1);
    let headers: Vec<Value> = letter
        .original_headers()
        .map(|(name, value)| json!({"name": name.to_string_lossy(), "value": value.map(line)}))
        .collect();
    let Value::Object(members) = &mut shown else { return shown };
    // How many there are of the record is not looked up for one of them.
    members.remove("deadLetters");
    members.insert("headers".to_owned(), Value::Array(headers));
    if let Content::Truncated { sha256, .. } = &letter.content {
        members.insert("sha256".to_owned(), json!(sha256));
    }
    if let Some(bytes) = letter.content.bytes().filter(|_| payload) {
        let (name, text) = match std::str::from_utf8(bytes) {
            Ok(text) => ("payload", text.to_owned()),
            Err(_) => ("payloadHex", hex(bytes)),
        };
        members.insert(name.to_owned(), json!(text));
    }
    shown
}
