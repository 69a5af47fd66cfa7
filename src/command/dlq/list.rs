//! `segmenter dlq list`: which dead letters there are.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::FilterArgs;
use super::text::{line, printable};
use crate::dlq::selection::{Seen, Selected, Selection};
use crate::event::{Millis, Reason};
use crate::exit::Exit;
use crate::kafka::dead_letter_reader::DeadLetter;
use crate::kafka::topic_reader::Source;

/// List the dead letters, and how many there are by reason and original topic.
///
/// A line a record: its place in the dead-letter topic (for `dlq show`), when it failed, why, how often it has been tried,
/// the length of its value in bytes, and where the original is. No value of a record is shown. Nothing is committed. Exit
/// codes: 0 listed; 1 failure; 2 usage; 3 there is no such topic; 75 Kafka is away.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// The most lines; the counts are of all.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Write a JSON object a line; the last one has the counts, under `summary`.
    #[arg(long)]
    json: bool,
}

type Groups = BTreeMap<(Reason, Arc<str>), u64>;

pub(super) fn run(args: &ListArgs, source: &Source, now: Millis, out: &mut impl Write) -> anyhow::Result<Exit> {
    let mut selection = Selection::open(source, args.filter.filter(now))?;
    let (mut groups, mut total, mut shown) = (Groups::new(), 0_u64, 0_u64);
    while let Some(selected) = selection.next_selected()? {
        let letter = &selected.letter;
        *groups.entry((letter.reason, Arc::clone(&letter.origin.topic))).or_default() += 1;
        total += 1;
        if args.limit.is_some_and(|limit| shown >= limit) {
            continue;
        }
        if args.json {
            writeln!(out, "{}", to_json(letter, selected.times))?;
        } else {
            if shown == 0 {
                writeln!(out, "{}", heading())?;
            }
            writeln!(out, "{}", to_line(&selected))?;
        }
        shown += 1;
    }
    if args.json {
        writeln!(out, "{}", json!({ "summary": summary_json(&groups, total, selection.seen()) }))?;
    } else {
        write_summary(&groups, total, shown, selection.seen(), out)?;
    }
    Ok(Exit::Ok)
}

fn heading() -> String {
    format!("{:<10} {:<24} {:<20} {:>5} {:>9}  ORIGINAL", "PLACE", "FAILED AT", "REASON", "TRIES", "BYTES")
}

fn to_line(Selected { letter, times }: &Selected) -> String {
    let place = letter.place.to_string();
    let failed_at = letter.failed_at.to_string();
    let length = letter.content.length().map_or_else(|| "null".to_owned(), |length| length.to_string());
    let reason = letter.reason.as_str();
    let mut notes = Vec::new();
    if *times > 1 {
        notes.push(format!("{times} dead letters"));
    }
    if letter.content.is_truncated() {
        notes.push("truncated".to_owned());
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    format!("{place:<10} {failed_at:<24} {reason:<20} {:>5} {length:>9}  {}{notes}", letter.attempts, original(letter))
}

/// Where the original is: `topic/partition/offset`.
pub(super) fn original(letter: &DeadLetter) -> String {
    let origin = &letter.origin;
    format!("{}/{}/{}", printable(&origin.topic), origin.partition, origin.offset)
}

/// All of a dead letter but its value and its original headers.
pub(super) fn to_json(letter: &DeadLetter, times: u32) -> Value {
    let origin = &letter.origin;
    json!({
        "partition": letter.place.partition, "offset": letter.place.offset,
        "original": {
            "topic": &*origin.topic, "partition": origin.partition, "offset": origin.offset,
            "timestamp": origin.timestamp, "key": letter.key.as_deref().map(line),
        },
        "reason": letter.reason.as_str(), "message": letter.message, "failedAt": letter.failed_at.to_string(),
        "attempts": letter.attempts, "length": letter.content.length(), "truncated": letter.content.is_truncated(),
        "deadLetters": times,
    })
}

fn summary_json(groups: &Groups, total: u64, seen: &Seen) -> Value {
    let groups: Vec<Value> = groups
        .iter()
        .map(|((reason, topic), count)| json!({"reason": reason.as_str(), "topic": &**topic, "records": count}))
        .collect();
    json!({"records": total, "byReasonAndTopic": groups, "topicHolds": seen.records, "foreign": seen.foreign})
}

fn write_summary(groups: &Groups, total: u64, shown: u64, seen: &Seen, out: &mut impl Write) -> io::Result<()> {
    if total > 0 {
        writeln!(out, "\n{:<22} {:>9}  ORIGINAL TOPIC", "REASON", "RECORDS")?;
    }
    for ((reason, topic), count) in groups {
        writeln!(out, "{:<22} {count:>9}  {}", reason.as_str(), printable(topic))?;
    }
    write!(out, "records with dead letters that match: {total}")?;
    if shown < total {
        write!(out, ", of which {shown} are shown")?;
    }
    writeln!(out, "; all records in the topic: {}", seen.records)?;
    super::summary::write_foreign(seen, out)
}
