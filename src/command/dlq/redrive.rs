//! `segmenter dlq redrive`: another try for dead letters.

use std::io::{self, Write};

use anyhow::Context as _;
use clap::Args;

use super::list::{original, to_json};
use super::{FilterArgs, summary};
use crate::command::database::{self, Access};
use crate::command::{registry, serve, settings};
use crate::config::Config;
use crate::decoder::Decoder;
use crate::dlq::judge::Rules;
use crate::dlq::redrive::{Report, Settings, run as redrive_all};
use crate::dlq::selection::Selected;
use crate::dlq::tally::Fate;
use crate::event::Millis;
use crate::exit::Exit;
use crate::halt::Halt;
use crate::stop::Stop;

/// Give dead letters another try; without --execute only say what would become of them.
///
/// Each is decoded as if it came from its original topic, under its original coordinates and at its original time, and
/// folded into the user's state as a live event is: an event that is older than what is there changes nothing (stale),
/// one that is there already changes nothing (unchanged). So it is safe beside a running service, and safe to repeat: what
/// was redriven before is unchanged or stale. Changes are said on segment-changed. The input topics, which others read
/// too, are never written to.
///
/// What is rejected again gets a new dead letter with one more attempt, which takes the place of the old one; what has
/// been tried --max-attempts times is not tried again. Truncated dead letters and those of topics that are not configured
/// cannot be redriven.
///
/// Exit codes: 0 all done; 1 failure; 2 usage; 3 refused: the schema is behind, newer data, no such topic; 4 some are
/// still rejected or cannot be redriven; 75 Kafka or PostgreSQL is away; 130 interrupted: what was begun is finished and
/// said.
#[derive(Debug, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// All of them: needed where nothing else says which.
    #[arg(long, required_unless_present_any = ["reasons", "from", "to", "topic", "user"])]
    all: bool,
    /// The most records.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Do it. Without this nothing is written anywhere.
    #[arg(long)]
    execute: bool,
    /// Leave alone what has been tried this often.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..))]
    max_attempts: u32,
    /// Write a JSON object a record, and the counts last, under `summary`.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    args: &RedriveArgs,
    config: &Config,
    now: Millis,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    database::ended(redrive(args, config, now, out).await)
}

async fn redrive(
    args: &RedriveArgs,
    config: &Config,
    now: Millis,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let stop = Stop::default();
    serve::stop_on_signals(stop.clone())?;
    let database = match database::open(&config.database, Access::Write).await? {
        Ok(database) => database,
        Err(schema) => return database::refuse(&schema),
    };
    let store = database.store(config)?;
    let mut printed = Ok(());
    let mut told = |selected: &Selected, fate: Fate| {
        if printed.is_ok() {
            printed = tell(selected, fate, args.json, out);
        }
    };
    let report = redrive_all(&settings(args, config, now, stop.clone())?, store, &stop, &mut told).await;
    printed.context("cannot print")?;
    if args.json {
        writeln!(out, "{}", summary::to_json(&report, args.execute))?;
    } else {
        summary::write(&report, args.execute, out)?;
    }
    exit(&report)
}

fn settings(args: &RedriveArgs, config: &Config, now: Millis, stop: Stop) -> anyhow::Result<Settings> {
    let live = settings::settings(config);
    let registry = registry::open(&config.registry)?;
    let decoder = Decoder { registry, limits: live.limits, stop: stop.clone() };
    Ok(Settings {
        source: super::source(&config.kafka, &config.topics, stop),
        filter: args.filter.filter(now),
        rules: Rules { topics: live.topics, decoder, max_attempts: args.max_attempts },
        limit: args.limit.unwrap_or(u64::MAX),
        batch: live.batch,
        encoding: live.output_encoding,
        execute: args.execute,
    })
}

/// A line for each with --json, else only for those that an operator has to see to otherwise.
fn tell(selected: &Selected, fate: Fate, json: bool, out: &mut impl Write) -> io::Result<()> {
    let (outcome, why) = fate.names();
    if json {
        let mut line = to_json(&selected.letter, selected.times);
        if let serde_json::Value::Object(members) = &mut line {
            members.insert("outcome".to_owned(), outcome.into());
            members.insert("outcomeReason".to_owned(), why.into());
        }
        return writeln!(out, "{line}");
    }
    match fate {
        Fate::NotRedrivable(why) => {
            let letter = &selected.letter;
            writeln!(out, "{} of {} cannot be redriven: {}", letter.place, original(letter), why.as_str())
        }
        Fate::Merged(_) | Fate::Skipped(_) | Fate::StillRejected(_) => Ok(()),
    }
}

fn exit(report: &Report) -> anyhow::Result<Exit> {
    match &report.halted {
        Some(halt) => halted(halt),
        None if report.tally.is_clean() => Ok(Exit::Ok),
        None => Ok(Exit::Findings),
    }
}

fn halted(halt: &Halt) -> anyhow::Result<Exit> {
    writeln!(io::stderr(), "segmenter: {halt}")?;
    Ok(halt.exit())
}
