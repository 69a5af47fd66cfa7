//! `segmenter replay`: records of the input topics once more.

use std::io::Write;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{Manage, Opened, RunArgs, begin, halted, refused, table};
use crate::command::database;
use crate::config::Config;
use crate::event::UserId;
use crate::exit::Exit;
use crate::halt::Halt;
use crate::jobs::replay::bound::Bound;
use crate::jobs::replay::plan::{PlannedRange, Wish, plan};
use crate::jobs::spec::{Emit, Range, Replay, Spec, What};

/// Replay input topics beside the live service: start, and all that `segmenter job` does.
#[derive(Debug, Args)]
pub struct ReplayCommand {
    #[command(subcommand)]
    pub action: ReplayAction,
}

#[derive(Debug, Subcommand)]
pub enum ReplayAction {
    Start(StartArgs),
    #[command(flatten)]
    Manage(Manage),
}

/// Fold records of the input topics once more. Without --execute it only says what would become of them.
///
/// The ends are fixed at the start; what comes later is the live service's. Every record goes through the same decoding
/// and the same fold: what is stored already is unchanged, what is older than what is stored is stale, and both write
/// nothing. So it is safe beside the live service, and safe to repeat. The live group's offsets are never touched.
///
/// What changes is written quietly and said once at the end: the net change of each user, with trigger REPLAY. A live event
/// in between says it itself. Rejected records are counted; users whom the platform does not have are skipped.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused: retention has cut into the range, the schema is behind, the dry run's
/// memory does not suffice; 4 done, and records were rejected; 75 Kafka or PostgreSQL is away; 130 interrupted. After 75
/// and 130 `segmenter replay resume ID` goes on from there, on any machine.
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Which input topic; may be given twice. Both, if it is not given.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// From where on: RFC 3339, how long ago as -2h or PT2H, earliest, latest, or partition:offset as 0:1500,3:200.
    #[arg(long, value_name = "T", value_parser = Bound::parse, allow_hyphen_values = true)]
    from: Bound,
    /// Up to where, which is not read any more.
    #[arg(long, value_name = "T", value_parser = Bound::parse, allow_hyphen_values = true, default_value = "latest")]
    to: Bound,
    /// Only these partitions; may be given several times, or as 0,3.
    #[arg(long = "partition", value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,
    /// Only events of this user; may be given several times.
    #[arg(long = "user", value_name = "ID", value_parser = parse_user)]
    users: Vec<UserId>,
    /// What the end says: the net change of each user, or nothing, which leaves that to `segmenter republish`.
    #[arg(long, value_enum, default_value_t = Emit::Changed)]
    emit: Emit,
    /// Write a dead letter for each rejected record.
    #[arg(long)]
    dead_letter: bool,
    /// Go on where retention has cut into the range.
    #[arg(long)]
    accept_gap: bool,
    #[command(flatten)]
    run: RunArgs,
}

fn parse_user(text: &str) -> Result<UserId, String> {
    UserId::new(text).ok_or_else(|| "must be 1 to 191 characters without NUL".to_owned())
}

/// Plans, and with --execute replays.
///
/// # Errors
/// `out` cannot be written to, or the database refuses us.
pub async fn start(args: &StartArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    database::ended(plan_and_run(args, config, out).await)
}

async fn plan_and_run(args: &StartArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let opened = match begin::open_or_resume(config, &args.run, out).await? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let input = [&opened.means.output.topics.onboarding_completed, &opened.means.output.topics.profile_updated];
    if let Some(other) = args.topics.iter().find(|topic| !input.contains(topic)) {
        return refused(&format!("{other} is not an input topic; those are {} and {}", input[0], input[1]));
    }
    let topics = if args.topics.is_empty() { input.map(Clone::clone).to_vec() } else { args.topics.clone() };
    let wish = Wish {
        topics,
        from: args.from.clone(),
        to: args.to.clone(),
        now: super::now(&opened).await?,
        partitions: args.partitions.clone(),
    };
    let planned = match make_plan(&opened, wish).await? {
        Ok(planned) => planned,
        Err(halt) => return halted(&halt),
    };
    table::plan(&planned, args.run.limits.throttle().rate, args.run.json, out)?;
    if planned.iter().any(|planned| planned.gap.is_some()) && !args.accept_gap {
        return refused("retention has cut into the range: --accept-gap goes on without what is gone");
    }
    let ranges: Vec<Range> =
        planned.into_iter().map(|planned| planned.range).filter(|range| !range.is_empty()).collect();
    if ranges.is_empty() {
        writeln!(out, "There is nothing to replay.")?;
        return Ok(Exit::Ok);
    }
    let spec = Spec {
        emit: args.emit,
        expected: ranges.iter().map(Range::len).sum(),
        what: What::Replay(Replay {
            ranges,
            users: args.users.iter().map(ToString::to_string).collect(),
            dead_letters: args.dead_letter,
            accept_gap: args.accept_gap,
        }),
    };
    begin::begin(&opened, &spec, Vec::new(), &args.run, out).await
}

async fn make_plan(opened: &Opened, wish: Wish) -> anyhow::Result<Result<Vec<PlannedRange>, Halt>> {
    let cluster = opened.means.output.cluster.clone();
    let group = format!("{}-replay", opened.means.live_group);
    tokio::task::spawn_blocking(move || plan(&cluster, &group, &wish)).await.context("the planner panicked")
}
