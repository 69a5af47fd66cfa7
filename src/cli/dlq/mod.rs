//! `segmenter dlq`: lists, shows and redrives dead letters.

mod dead_letter;
mod redrive;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::follow_up::quoted;
use super::table::print;
use crate::checks::found::Found;
use crate::checks::reasons;
use crate::config::{KafkaConfig, Moment, TopicsConfig};
use crate::domain::event::{Millis, Reason};
use crate::ingest::dead_letter_reader::{DeadLetter, DeadLetterPosition};
use crate::jobs::redrive::selection::{Filter, Seen, Selection};
use crate::kafka::client::Cluster;
use crate::kafka::topic_reader::{Source, Span};
use crate::runtime::exit::Exit;
use crate::runtime::stop::Stop;
use crate::store::audit::hashed;
use dead_letter::ShownDeadLetter;

pub use redrive::run as redrive;

pub(crate) use redrive::RedriveArgs;

/// List, show or redrive dead letters.
///
/// A record that cannot be applied is written to the dead-letter topic with its original bytes. A crash or a redrive
/// that fails again leaves several dead letters of one record; the newest counts. Memory: about 100 bytes per
/// dead-lettered record.
#[derive(Debug, Args)]
pub struct DlqArgs {
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Debug, Subcommand)]
pub enum Action {
    List(ListArgs),
    Show(ShowArgs),
    Redrive(RedriveArgs),
}

/// List dead letters, with counts by reason and original topic.
///
/// For each reason the command that follows: a dry run of the redrive, or the first of its dead letters where only the
/// producer can correct them.
///
/// One line per record: its place in the dead-letter topic (for `dlq show`), the time and the reason of the failure,
/// the number of attempts, the length of its value in bytes, and the place of the original. Values are not shown.
/// Offsets are not committed.
///
/// Exit codes: 0 listed; 1 failure; 2 usage; 3 the topic does not exist; 75 Kafka is unavailable.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Maximum number of lines; the counts include all records.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Write one JSON object per line; the last has the counts, under `summary`.
    #[arg(long)]
    json: bool,
}

/// Show one dead letter: its reason, place, key and original headers.
///
/// The value is shown only with --payload: it is the record as it was produced and may hold personal data such as names
/// and phone numbers.
///
/// Exit codes: 0 shown; 1 failure, or no dead letter at that place; 2 usage; 3 the topic does not exist; 75 Kafka is
/// unavailable.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Place in the dead-letter topic, as `dlq list` shows it.
    #[arg(value_name = "PARTITION:OFFSET", value_parser = parse_place)]
    place: DeadLetterPosition,
    /// Also show the value (personal data): as text, or in hexadecimal if it is not text.
    #[arg(long)]
    payload: bool,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// The dead letters to select.
#[derive(Debug, Args)]
struct FilterArgs {
    /// Only dead letters with this reason; repeatable.
    #[arg(long = "reason", value_name = "CODE", value_parser = parse_reason)]
    reasons: Vec<Reason>,
    /// Only failures at or after this time: RFC 3339, or an age as -2h or PT2H.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse, allow_hyphen_values = true)]
    from: Option<Moment>,
    /// Only failures before this time.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse, allow_hyphen_values = true)]
    to: Option<Moment>,
    /// Only records of this original topic.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only records whose key is this user's id.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
}

impl FilterArgs {
    fn filter(&self, now: Millis) -> Filter {
        Filter {
            reasons: self.reasons.clone(),
            from: self.from.map(|from| from.at(now)),
            to: self.to.map(|to| to.at(now)),
            topic: self.topic.clone(),
            user: self.user.as_deref().map(hashed),
        }
    }

    /// The options that select the same dead letters, of one reason.
    fn options(&self, reason: Reason, now: Millis) -> String {
        let at = |moment: Option<Moment>| moment.map(|moment| moment.at(now).to_string());
        let given =
            [("from", at(self.from)), ("to", at(self.to)), ("topic", self.topic.clone()), ("user", self.user.clone())];
        let option = |(name, value): (&str, Option<String>)| Some(format!(" --{name} {}", quoted(&value?)));
        format!("--reason {}{}", reason.as_str(), given.into_iter().filter_map(option).collect::<String>())
    }
}

fn parse_reason(text: &str) -> Result<Reason, String> {
    Reason::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or_else(|| {
        let known = Reason::ALL.map(Reason::as_str).join(", ");
        format!("must be one of {known}")
    })
}

fn parse_place(text: &str) -> Result<DeadLetterPosition, String> {
    let parse = || {
        let (partition, offset) = text.split_once(':')?;
        Some(DeadLetterPosition { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
    };
    let is_possible = |place: &DeadLetterPosition| place.partition >= 0 && (0..i64::MAX).contains(&place.offset);
    parse().filter(is_possible).ok_or_else(|| "must be a partition and an offset, as in 0:17".to_owned())
}

/// Runs `list` or `show`, which need only Kafka. Their calls block.
///
/// # Errors
/// `out` cannot be written to, or the topic cannot be read.
pub fn look(
    action: &Action,
    kafka: &KafkaConfig,
    topics: &TopicsConfig,
    now: Millis,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let source = Source {
        cluster: Cluster::from(kafka),
        group: kafka.group_id.as_str().to_owned(),
        topic: topics.dead_letter.as_str().to_owned(),
        stop: Stop::default(),
    };
    match action {
        Action::List(args) => list(args, &source, now, out)?,
        Action::Show(args) => show(args, &source, out)?,
        Action::Redrive(_) => anyhow::bail!("redrive needs the database"),
    }
    Ok(Exit::Ok)
}

/// The last line of a report with one line per record.
#[derive(Debug, Serialize)]
struct Last<S> {
    summary: S,
}

/// The counts of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    records: u64,
    shown: u64,
    by_reason_and_topic: Vec<Group>,
    topic_holds: u64,
    /// Records that are not dead letters of this program.
    foreign: u64,
    first_foreign: Option<String>,
    /// By reason.
    findings: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct Group {
    reason: &'static str,
    topic: Arc<str>,
    records: u64,
}

fn list(args: &ListArgs, source: &Source, now: Millis, out: &mut impl Write) -> anyhow::Result<()> {
    let mut selection = Selection::open(source, &source.spans()?, args.filter.filter(now))?;
    let mut groups: BTreeMap<(Reason, Arc<str>), u64> = BTreeMap::new();
    // By reason, the number and the place of the first.
    let mut first: BTreeMap<Reason, (u64, DeadLetterPosition)> = BTreeMap::new();
    let (mut records, mut shown) = (0_u64, 0_u64);
    while let Some(selected) = selection.next_selected()? {
        let dead_letter = &selected.dead_letter;
        *groups.entry((dead_letter.reason, Arc::clone(&dead_letter.origin.topic))).or_default() += 1;
        first.entry(dead_letter.reason).or_insert((0, dead_letter.place)).0 += 1;
        records += 1;
        if args.limit.is_some_and(|limit| shown >= limit) {
            continue;
        }
        let dead_letter = ShownDeadLetter::listed(&selected);
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&dead_letter)?)?;
        } else {
            if shown == 0 {
                writeln!(out, "{}", ShownDeadLetter::HEADING)?;
            }
            writeln!(out, "{}", dead_letter.line())?;
        }
        shown += 1;
    }
    let group = |((reason, topic), records): ((Reason, _), _)| Group { reason: reason.as_str(), topic, records };
    let found = |(reason, (records, first)): (Reason, (u64, DeadLetterPosition))| {
        let command = if reasons::is_of_producer(reason) {
            format!("segmenter dlq show {first}")
        } else {
            format!("segmenter dlq redrive {}", args.filter.options(reason, now))
        };
        reasons::found(reason, records, command)
    };
    let summary = Listed {
        records,
        shown,
        by_reason_and_topic: groups.into_iter().map(group).collect(),
        topic_holds: selection.seen().records,
        foreign: selection.seen().foreign,
        first_foreign: first_foreign(selection.seen()),
        findings: first.into_iter().map(found).collect(),
    };
    print(&Last { summary }, args.json, out)
}

/// The place of the first record that is not a dead letter of this program, and the reason.
fn first_foreign(seen: &Seen) -> Option<String> {
    seen.first_foreign.as_ref().map(|first| format!("{}: {}", first.place, first.why))
}

fn show(args: &ShowArgs, source: &Source, out: &mut impl Write) -> anyhow::Result<()> {
    let DeadLetterPosition { partition, offset } = args.place;
    let held = source.spans()?.into_iter().find(|span| span.partition == partition);
    let is_held = held.is_some_and(|span| (span.first..span.end).contains(&offset));
    let message =
        if is_held { source.read(&[Span { partition, first: offset, end: offset + 1 }])?.next_record()? } else { None };
    let Some(message) = message else {
        anyhow::bail!("{} holds no record at {}", source.topic, args.place);
    };
    let dead_letter = DeadLetter::parse(&message).map_err(|foreign| {
        anyhow::anyhow!("the record at {} is not a dead letter of this program: {}", foreign.place, foreign.why)
    })?;
    print(&ShownDeadLetter::shown(&dead_letter, args.payload && args.json), args.json, out)?;
    match dead_letter.content.bytes() {
        Some(bytes) if args.payload && !args.json => Ok(writeln!(out, "\n{}", dead_letter::payload(bytes))?),
        _ => Ok(()),
    }
}
