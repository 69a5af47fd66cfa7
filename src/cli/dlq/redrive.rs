//! `segmenter dlq redrive`: processes dead letters once more, as a job.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::{FilterArgs, Last, ShownDeadLetter, first_foreign};
use crate::cli::follow_up::{ExamplesArgs, execute};
use crate::cli::job::{self, JobArgs};
use crate::cli::table::print;
use crate::config::Config;
use crate::domain::event::Millis;
use crate::jobs::Means;
use crate::jobs::redrive::dry_run;
use crate::jobs::redrive::outcome::RedriveOutcome;
use crate::jobs::redrive::selection::Selected;
use crate::jobs::spec::{Emit, Range, Redrive, Spec, What};
use crate::runtime::exit::Exit;
use crate::store::audit::hashed;

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
/// A dry run reports each dead letter. With --execute the redrive is a job, which reports counts, by reason; a dry run
/// afterwards shows the rest. It takes the dead letters that are on the topic at its start. Rejections by a constraint
/// of the database are found only with --execute.
///
/// Exit codes: 0 all redriven; 1 failure; 2 usage; 3 refused: the schema is behind, the data is newer than this
/// program, or the topic does not exist; 4 some are still rejected or cannot be redriven; 75 Kafka or PostgreSQL is
/// unavailable; 130 interrupted. After 75 and 130, `segmenter job resume ID` continues the job, on any machine.
#[derive(Debug, Args)]
pub struct RedriveArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// All dead letters; required without a filter.
    #[arg(long, required_unless_present_any = ["reasons", "from", "to", "topic", "user"])]
    all: bool,
    /// Maximum number of records.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Skip records tried this often.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..))]
    max_attempts: u32,
    #[command(flatten)]
    job: JobArgs,
}

impl RedriveArgs {
    /// The arguments that tell one job from another.
    fn asked(&self) -> Value {
        let FilterArgs { reasons, from, to, topic, user } = &self.filter;
        json!({
            "kind": "redrive", "reasons": reasons, "from": from, "to": to, "topic": topic,
            "user": user.as_deref().map(hashed), "limit": self.limit, "maxAttempts": self.max_attempts,
        })
    }

    /// The dead letters that are on the topic now.
    async fn redrive(&self, means: &Means, now: Millis) -> anyhow::Result<Redrive> {
        let source = means.source_of(means.output.topics.dead_letter.clone());
        let topic = source.topic.clone();
        let spans = tokio::task::spawn_blocking(move || source.spans()).await.context("the look-up panicked")??;
        let range = |span| Range::of(&topic, span);
        Ok(Redrive {
            ranges: spans.into_iter().map(range).collect(),
            filter: self.filter.filter(now),
            max_attempts: self.max_attempts,
            limit: self.limit,
        })
    }
}

/// Runs the job with --execute, else reports the outcomes that it would have.
///
/// # Errors
/// `out` cannot be written to, the job is refused or was halted.
pub async fn run(
    args: &RedriveArgs,
    config: &Config,
    now: Millis,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let means = job::open(config, args.job.execute).await?;
    let asked = args.asked();
    if let Some(exit) = job::resume_begun(&means, &args.job, ExamplesArgs::default(), &asked, out).await? {
        return Ok(exit);
    }
    let redrive = args.redrive(&means, now).await?;
    if !args.job.execute {
        return dry_run(args, &means, &redrive, out).await;
    }
    let expected = redrive.ranges.iter().map(Range::len).sum();
    let spec = Spec { asked, emit: Emit::Changed, expected, what: What::Redrive(redrive) };
    let parts = spec.parts(Vec::new());
    job::begin(&means, &args.job, ExamplesArgs::default(), &spec, parts, (&[], None), out).await
}

async fn dry_run(
    args: &RedriveArgs,
    means: &Means,
    redrive: &Redrive,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let (json, mut printed) = (args.job.json, Ok(()));
    let mut each = |selected: &Selected, outcome: RedriveOutcome| {
        if printed.is_ok() {
            printed = report_one(selected, outcome, json, out);
        }
    };
    let report = dry_run::run(means, redrive, args.job.throttle(), &mut each).await;
    printed.context("cannot print")?;
    let counts = &report.counts;
    let summary = Summary {
        executed: false,
        next: (counts.applied > 0).then(execute),
        records: counts.items,
        superseded_dead_letters: report.superseded,
        applied: counts.applied,
        unchanged: counts.unchanged,
        stale: counts.stale,
        skipped: counts.skipped,
        still_rejected: &counts.rejected_by_reason,
        not_redrivable: &counts.not_redrivable,
        segment_changes: report.changes,
        foreign: report.seen.foreign,
        first_foreign: first_foreign(&report.seen),
        complete: report.halted.is_none(),
    };
    print(&Last { summary }, json, out)?;
    match report.halted {
        Some(halt) => Err(halt.into()),
        None if report.counts.has_findings() => Ok(Exit::Findings),
        None => Ok(Exit::Ok),
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

/// The counts of a dry run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'r> {
    executed: bool,
    /// The command that executes it; absent if nothing would be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Distinct records that the filter selects.
    records: u64,
    /// Their older dead letters.
    superseded_dead_letters: u64,
    applied: u64,
    unchanged: u64,
    stale: u64,
    skipped: u64,
    /// By reason.
    still_rejected: &'r BTreeMap<String, u64>,
    not_redrivable: &'r BTreeMap<String, u64>,
    segment_changes: u64,
    foreign: u64,
    first_foreign: Option<String>,
    /// False if it was halted.
    complete: bool,
}
