//! `segmenter replay`: records of the input topics once more.

use std::io::Write;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Manage, Opened, ThrottleArgs, board, claim, forecast, halted, refused, table};
use crate::command::database::{self, Access};
use crate::config::{Config, ConfigArgs, parse_size};
use crate::event::UserId;
use crate::exit::Exit;
use crate::halt::Halt;
use crate::jobs::dry_run;
use crate::jobs::replay::bound::Bound;
use crate::jobs::replay::plan::{PlannedRange, Wish, plan};
use crate::jobs::replay::source::ReplaySource;
use crate::jobs::source::Source;
use crate::jobs::spec::{Emit, Range, Replay, Spec, What};
use crate::store::jobs::{Counts, Part};

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
    /// Do it, as a job of this process. Without this nothing is written anywhere.
    #[arg(long)]
    execute: bool,
    /// What the end says: the net change of each user, or nothing, which leaves that to `segmenter republish`.
    #[arg(long, value_enum, default_value_t = Emit::Changed)]
    emit: Emit,
    /// Write a dead letter for each rejected record.
    #[arg(long)]
    dead_letter: bool,
    /// Go on where retention has cut into the range.
    #[arg(long)]
    accept_gap: bool,
    /// The job's id. If there is such a job, it is resumed: so a restarted process does not begin anew.
    #[arg(long, value_name = "UUID", requires = "execute")]
    id: Option<Uuid>,
    /// How much memory a dry run may use for the users that would change, about 4 KiB each.
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = parse_memory)]
    memory: usize,
    #[command(flatten)]
    limits: ThrottleArgs,
    /// Write a JSON object a line: the plan, progress, the end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub config: ConfigArgs,
}

fn parse_user(text: &str) -> Result<UserId, String> {
    UserId::new(text).ok_or_else(|| "must be 1 to 191 characters without NUL".to_owned())
}

fn parse_memory(text: &str) -> Result<usize, String> {
    parse_size(text).ok_or_else(|| "must be a size, as 512MiB".to_owned())
}

/// Plans, and with --execute replays.
///
/// # Errors
/// `out` cannot be written to, or the database refuses us.
pub async fn start(args: &StartArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    database::ended(plan_and_run(args, config, out).await)
}

async fn plan_and_run(args: &StartArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let access = if args.execute { Access::Write } else { Access::Read };
    let opened = match super::open(config, access).await? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    if let Some(id) = args.id
        && let Some(record) = claim::find(&opened, id).await?
    {
        return claim::resume(&opened, record, false, args.json, out).await;
    }
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
    table::plan(&planned, args.limits.throttle().rate, args.json, out)?;
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
    if args.execute {
        return claim::start(&opened, args.id, &spec, args.limits.throttle(), Vec::new(), args.json, out).await;
    }
    rehearse(args, &opened, &spec, out).await
}

async fn make_plan(opened: &Opened, wish: Wish) -> anyhow::Result<Result<Vec<PlannedRange>, Halt>> {
    let cluster = opened.means.output.cluster.clone();
    let group = format!("{}-replay", opened.means.live_group);
    tokio::task::spawn_blocking(move || plan(&cluster, &group, &wish)).await.context("the planner panicked")
}

async fn rehearse(
    args: &StartArgs,
    opened: &Opened,
    spec: &Spec,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let What::Replay(replay) = &spec.what;
    let parts: Vec<Part> = claim::new_parts(spec).into_iter().map(unstarted).collect();
    let source = Source::Replay(ReplaySource::open(&opened.means, replay, &parts));
    let (sender, shown) = watch::channel(None);
    let board = board::show("dry run", shown, args.json);
    let throttle = args.limits.throttle();
    let forecast = dry_run::run(&opened.means, source, &throttle, (spec.expected, args.memory), &sender).await;
    drop(sender);
    board.await.context("the progress display panicked")?;
    match forecast {
        Ok(forecast) => forecast::write(&forecast, args.json, out),
        Err(halt) => halted(&halt),
    }
}

fn unstarted(part: crate::store::jobs::NewPart) -> Part {
    Part { name: part.name, position: part.position, until: part.until, done: false, counts: Counts::default() }
}
