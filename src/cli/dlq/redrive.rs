//! `segmenter dlq redrive`: processes dead letters once more.

use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{FilterArgs, Last, ShownDeadLetter, first_foreign, source};
use crate::cli::database::{self, Access};
use crate::cli::table::print;
use crate::cli::{serve, settings};
use crate::config::Config;
use crate::domain::event::Millis;
use crate::ingest::worker::BatchLimits;
use crate::jobs::redrive::run::{RedriveOptions, Rules, run as redrive_all};
use crate::jobs::redrive::selection::Selected;
use crate::jobs::redrive::tally::{RedriveOutcome, Tally};
use crate::kafka::client::Topics;
use crate::registry::decoder::Decoder;
use crate::runtime::exit::Exit;
use crate::runtime::stop::Stop;
use crate::store::audit::{Act, Entry, hashed};

/// Process dead letters once more; dry run unless --execute.
///
/// Each dead letter is decoded with its original topic, coordinates and time, and folded like a live event: an event
/// that is older than the stored one is stale, one that is already stored is unchanged, and neither writes anything. So
/// a redrive is safe beside a running service, and safe to repeat. Changes are published on segment-changed. The input
/// topics are never written to, because other groups read them.
///
/// A record that is rejected again gets a new dead letter with one more attempt, which supersedes the old one. A record
/// that has been tried --max-attempts times is not tried again. Truncated dead letters and those of topics that are not
/// configured cannot be redriven.
///
/// Rejections by a constraint of the database are found only with --execute.
///
/// Exit codes: 0 all redriven; 1 failure; 2 usage; 3 refused: the schema is behind, the data is newer than this
/// program, or the topic does not exist; 4 some are still rejected or cannot be redriven; 75 Kafka or PostgreSQL is
/// unavailable; 130 interrupted: the current batch is finished and published.
#[derive(Debug, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// All dead letters; required without another filter.
    #[arg(long, required_unless_present_any = ["reasons", "from", "to", "topic", "user"])]
    all: bool,
    /// Maximum number of records.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Redrive; without this, nothing is written.
    #[arg(long)]
    execute: bool,
    /// Skip records that have been tried this often.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..))]
    max_attempts: u32,
    /// Write one JSON object per record; the last has the counts, under `summary`.
    #[arg(long)]
    json: bool,
}

impl RedriveArgs {
    /// The redrive, for the audit.
    fn entry(&self, config: &Config, now: Millis) -> Entry {
        let FilterArgs { reasons, from, to, topic, user } = &self.filter;
        let arguments = json!({
            "reasons": reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(),
            "from": from.map(|from| from.at(now).to_string()),
            "to": to.map(|to| to.at(now).to_string()),
            "topic": topic,
            "user": user.as_deref().map(hashed),
            "limit": self.limit,
            "maxAttempts": self.max_attempts,
        });
        Entry { operator: settings::operator(&config.jobs), act: Act::Redrive, arguments }
    }
}

/// Redrives, or without --execute reports the outcomes that a redrive would have.
///
/// # Errors
/// `out` cannot be written to, or the redrive was halted.
pub async fn run(
    args: &RedriveArgs,
    config: &Config,
    now: Millis,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let stop = Stop::default();
    serve::stop_on_signals(stop.clone())?;
    let database = database::open(&config.database, if args.execute { Access::Write } else { Access::Read }).await?;
    let store = database.store(config)?;
    let output = settings::output(config)?;
    let decoder =
        Decoder { registry: output.registry.clone(), limits: config.limits.of_a_record(), stop: stop.clone() };
    let settings = RedriveOptions {
        source: source(&config.kafka, &config.topics, stop.clone()),
        filter: args.filter.filter(now),
        rules: Rules { topics: Topics::from(&config.topics), decoder, max_attempts: args.max_attempts },
        limit: args.limit.unwrap_or(u64::MAX),
        batch: BatchLimits::from(&config.batch),
        output,
        execute: args.execute,
    };
    if args.execute {
        args.entry(config, now).write_before(&store.pool).await.context("could not record the redrive")?;
    }
    let mut printed = Ok(());
    let mut each = |selected: &Selected, outcome: RedriveOutcome| {
        if printed.is_ok() {
            printed = report_one(selected, outcome, args.json, out);
        }
    };
    let report = redrive_all(&settings, store, &stop, &mut each).await;
    printed.context("cannot print")?;
    let summary = Summary {
        executed: args.execute,
        tally: &report.tally,
        foreign: report.seen.foreign,
        first_foreign: first_foreign(&report.seen),
        complete: report.halted.is_none(),
    };
    print(&Last { summary }, args.json, out)?;
    match report.halted {
        Some(halt) => Err(halt.into()),
        None if report.tally.is_clean() => Ok(Exit::Ok),
        None => Ok(Exit::Findings),
    }
}

/// With --json one line per dead letter, else only for those that cannot be redriven.
fn report_one(selected: &Selected, outcome: RedriveOutcome, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    match outcome {
        _ if json => writeln!(out, "{}", serde_json::to_string(&ShownDeadLetter::redriven(selected, outcome))?)?,
        RedriveOutcome::NotRedrivable(why) => {
            writeln!(out, "{}", ShownDeadLetter::listed(selected).refusal(why.as_str()))?
        }
        RedriveOutcome::Merged(_) | RedriveOutcome::Skipped(_) | RedriveOutcome::StillRejected(_) => {}
    }
    Ok(())
}

/// The counts of a redrive.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'r> {
    executed: bool,
    #[serde(flatten)]
    tally: &'r Tally,
    foreign: u64,
    first_foreign: Option<String>,
    /// False if too many users have several dead letters to track all of them.
    complete: bool,
}
