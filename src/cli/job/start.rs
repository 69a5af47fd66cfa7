//! `segmenter replay`, `backfill`, `recompute` and `republish`, which differ in the users or records that they select.

use std::io::Write;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::report::{Plan, Report};
use super::run;
use super::{JobArgs, open};
use crate::cli::failure::ends;
use crate::cli::follow_up::ExamplesArgs;
use crate::cli::table::print;
use crate::cli::user_ids::{self, UserList};
use crate::config::{Config, Percent};
use crate::domain::event::UserId;
use crate::domain::sample::Sample;
use crate::jobs::replay::bound::Bound;
use crate::jobs::replay::plan::{Wish, plan};
use crate::jobs::shift::{self, Shift};
use crate::jobs::source::Chosen;
use crate::jobs::spec::{BackfillUsers, Emit, Range, RecomputeUsers, Replay, RepublishUsers, Spec, What};
use crate::jobs::{Means, topic_ahead};
use crate::kafka::topic_reader::Source;
use crate::runtime::exit::Exit;
use crate::store::keys::{KeyRange, Keys};
use crate::store::lookup::clock;
use crate::store::onboarding_profiles;

/// The commands that start a job.
#[derive(Debug, Subcommand)]
pub enum StartJob {
    Replay(ReplayArgs),
    Backfill(BackfillArgs),
    Recompute(RecomputeArgs),
    Republish(RepublishArgs),
}

/// Fold the input topics again; dry run unless --execute.
///
/// The range is fixed at the start; later records are left to the live service. Each record is decoded and folded like
/// a live record: one that is already stored is unchanged, an older one is stale, and neither writes anything. So a
/// replay is safe beside the live service, and safe to repeat. The live group's offsets are never touched.
///
/// Changes are stored immediately and published once, when the job ends: the net change of each user, with trigger
/// REPLAY. A live event of the user publishes the change earlier. Rejected records are counted. Events of users that
/// the platform does not have are skipped.
///
/// Records that retention deletes while it runs are counted and named in the log.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused: retention has removed records of the range, or the schema is
/// behind; 4 done, with rejected or deleted records; 75 Kafka or PostgreSQL is unavailable; 130 interrupted. After 75
/// and 130, `segmenter job resume ID` continues the job, on any machine.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// An input topic; repeatable. Default: both.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Start: a time, -2h, earliest or 0:1500,3:200.
    ///
    /// RFC 3339, an age as -2h or PT2H, earliest, latest, or offsets by partition as 0:1500,3:200.
    #[arg(long, value_name = "T", value_parser = Bound::parse, allow_hyphen_values = true)]
    from: Bound,
    /// End, exclusive; same forms.
    #[arg(long, value_name = "T", value_parser = Bound::parse, allow_hyphen_values = true, default_value = "latest")]
    to: Bound,
    /// Only these partitions, as 0,3.
    #[arg(long = "partition", value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,
    /// Only events of this user; repeatable.
    #[arg(long = "user", value_name = "ID", value_parser = user_ids::parse)]
    users: Vec<UserId>,
    /// Write a dead letter for each rejected record.
    #[arg(long)]
    dead_letter: bool,
    /// Start although retention has removed records.
    #[arg(long)]
    accept_gap: bool,
    #[command(flatten)]
    emit: EmitArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Fold onboarding profiles; dry run unless --execute.
///
/// Reads the platform's travel_onboarding_profiles. Without an option it selects users without a row in user_vectors,
/// or whose row has no segments or no primary segment. A completed profile is folded like an onboarding event with all
/// its sections, at the time of its last update: a newer event wins, whichever is folded first. So a backfill is safe
/// beside the live service, and safe to repeat. Profiles that are not completed are skipped. A profile with a value
/// that is invalid in an event is counted as rejected and listed.
///
/// Changes are stored and published immediately, with trigger BACKFILL.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused: the table is missing or may not be read; 4 done, with rejected
/// profiles; 75 Kafka or PostgreSQL is unavailable; 130 interrupted. After 75 and 130, `segmenter job resume ID`
/// continues the job.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// Only users with a row in user_vectors.
    #[arg(long, group = "which")]
    existing_only: bool,
    /// All profiles.
    #[arg(long, group = "which")]
    all: bool,
    /// Only the users in this file, one id per line.
    #[arg(long, value_name = "FILE", group = "which", value_parser = UserList::read)]
    users_file: Option<UserList>,
    #[command(flatten)]
    emit: EmitArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Score stored profiles again; dry run unless --execute.
///
/// Without an option it selects users that were scored with another version of the catalog than the configured one. It
/// reads no events; registers and times stay unchanged.
///
/// Changes are stored and published immediately, with trigger RECOMPUTE.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused: a user was scored with a newer catalog than the configured one,
/// more users than catalog.max_shift would move and --accept-shift is absent, or the resumed job was started with
/// another catalog; 75 Kafka or PostgreSQL is unavailable; 130 interrupted. After
/// 75 and 130, `segmenter job resume ID` continues the job.
#[derive(Debug, Args)]
pub struct RecomputeArgs {
    /// Only users with this primary segment.
    #[arg(long, value_name = "SEGMENT", group = "which")]
    segment: Option<String>,
    /// Only the users in this file, one id per line.
    #[arg(long, value_name = "FILE", group = "which", value_parser = UserList::read)]
    users_file: Option<UserList>,
    /// All users with a stored profile.
    #[arg(long, group = "which")]
    all: bool,
    /// Only users whose row is missing or wrong.
    ///
    /// The row differs from the one that the stored profile gives: after a revert and a new migration, or if another
    /// program has written it.
    #[arg(long, group = "which")]
    repair: bool,
    /// Execute even if more users than catalog.max_shift move.
    ///
    /// The share is estimated on a sample of about 10,000 users before the job starts; resuming a job does not need this.
    #[arg(long, requires = "execute")]
    accept_shift: bool,
    #[command(flatten)]
    emit: EmitArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Publish current rankings again; dry run unless --execute.
///
/// For a new consumer, or after the topic was lost. The last published change of each user is published once more, with
/// the same eventId and revision, so that a consumer that has seen it can drop it. A ranking that a job changed with
/// --emit none is published with a new revision, unless it has been published since. The tombstones of erased users are
/// published again. Deleted users are not published.
///
/// With --topic-ahead only users whose records are ahead of the database, after a failover that lost commits or a
/// restored backup: an erasure that is on the topic and not in the database is applied again, and of all others the
/// present ranking is published at a revision above the topic's. It reads the whole topic first. Users of whom the
/// database knows nothing are left out; `segmenter verify --topic` names them.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused; 75 Kafka or PostgreSQL is unavailable; 130 interrupted. After 75
/// and 130, `segmenter job resume ID` continues the job.
#[derive(Debug, Args)]
pub struct RepublishArgs {
    /// All users with a published change.
    #[arg(long, group = "which", required_unless_present_any = ["segment", "users_file", "topic_ahead"])]
    all: bool,
    /// Only users whose records are ahead of the database.
    #[arg(long, group = "which")]
    topic_ahead: bool,
    /// Only users with this primary segment.
    #[arg(long, value_name = "SEGMENT", group = "which")]
    segment: Option<String>,
    /// Only the users in this file, one id per line.
    #[arg(long, value_name = "FILE", group = "which", value_parser = UserList::read)]
    users_file: Option<UserList>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Args)]
struct EmitArgs {
    /// Publish: changed (default) or none.
    ///
    /// `changed` publishes users whose ranking changes; `none` leaves that to `segmenter republish`.
    #[arg(long, value_enum, default_value_t = Emit::Changed, hide_default_value = true, hide_possible_values = true)]
    emit: Emit,
}

/// The options of the jobs that these commands start.
#[derive(Debug, Args)]
struct RunArgs {
    /// Dry run of a share of the users, as 1%.
    ///
    /// It meets the same users each time; all numbers are those of the sample.
    #[arg(long, value_name = "PERCENT", conflicts_with = "execute")]
    sample: Option<Sample>,
    #[command(flatten)]
    examples: ExamplesArgs,
    #[command(flatten)]
    job: JobArgs,
}

/// The number of parts of a job that are worked through independently, and how many users are worth one.
const MOST_RANGES: u64 = 16;
const USERS_IN_RANGE: u64 = 500;

impl StartJob {
    fn run(&self) -> &RunArgs {
        match self {
            Self::Replay(args) => &args.run,
            Self::Backfill(args) => &args.run,
            Self::Recompute(args) => &args.run,
            Self::Republish(args) => &args.run,
        }
    }

    fn emit(&self) -> Emit {
        match self {
            Self::Replay(ReplayArgs { emit, .. })
            | Self::Backfill(BackfillArgs { emit, .. })
            | Self::Recompute(RecomputeArgs { emit, .. }) => emit.emit,
            Self::Republish(_) => Emit::None,
        }
    }

    /// The work of the job; `None` if there is none.
    async fn what(&self, means: &Means, out: &mut (impl Write + Send)) -> anyhow::Result<Option<What>> {
        Ok(Some(match self {
            Self::Replay(args) => return replay(args, means, out).await,
            Self::Backfill(args) => {
                let pool = &means.store.pool;
                let unreadable =
                    onboarding_profiles::unreadable(pool).await.context("could not check the rights on the table")?;
                if !unreadable.is_empty() {
                    let columns = unreadable.join(", ");
                    let why = format!(
                        "permission denied on, or missing from, travel_onboarding_profiles: the columns {columns}; \
                         docs/grants_jobs.sql grants the rights"
                    );
                    return Err(ends(Exit::Refused, why));
                }
                What::Backfill(match args {
                    BackfillArgs { users_file: Some(_), .. } => BackfillUsers::Listed,
                    BackfillArgs { existing_only: true, .. } => BackfillUsers::Existing,
                    BackfillArgs { all: true, .. } => BackfillUsers::All,
                    _ => BackfillUsers::Missing,
                })
            }
            Self::Recompute(args) => {
                let which = match args {
                    RecomputeArgs { users_file: Some(_), .. } => RecomputeUsers::Listed,
                    RecomputeArgs { segment: Some(segment), .. } => RecomputeUsers::Segment(segment.clone()),
                    RecomputeArgs { all: true, .. } => RecomputeUsers::All,
                    RecomputeArgs { repair: true, .. } => RecomputeUsers::Repair,
                    _ => RecomputeUsers::Stale,
                };
                What::Recompute { which, catalog_version: means.store.catalog.version() }
            }
            Self::Republish(args) => What::Republish(match args {
                RepublishArgs { users_file: Some(_), .. } => RepublishUsers::Listed,
                RepublishArgs { segment: Some(segment), .. } => RepublishUsers::Segment(segment.clone()),
                RepublishArgs { topic_ahead: true, .. } => RepublishUsers::TopicAhead,
                _ => RepublishUsers::All,
            }),
        }))
    }

    /// The arguments that tell one job from another.
    fn asked(&self) -> Value {
        let emit = self.emit();
        // Of users only a digest is kept.
        let digest = |users: &[UserId]| {
            let text = users.iter().map(UserId::as_str).collect::<Vec<_>>().join("\n");
            Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes())
        };
        let of_list = |list: &Option<UserList>| list.as_ref().map(|list| digest(&list.0));
        match self {
            Self::Replay(ReplayArgs { topics, from, to, partitions, users, dead_letter, .. }) => json!({
                "kind": "replay", "emit": emit, "topics": topics, "from": from, "to": to, "partitions": partitions,
                "users": digest(users), "deadLetter": dead_letter,
            }),
            Self::Backfill(BackfillArgs { existing_only, all, users_file, .. }) => json!({
                "kind": "backfill", "emit": emit, "existingOnly": existing_only, "all": all, "users": of_list(users_file),
            }),
            Self::Recompute(RecomputeArgs { segment, users_file, all, repair, .. }) => json!({
                "kind": "recompute", "emit": emit, "segment": segment, "all": all, "repair": repair,
                "users": of_list(users_file),
            }),
            Self::Republish(RepublishArgs { all, topic_ahead, segment, users_file, .. }) => json!({
                "kind": "republish", "all": all, "topicAhead": topic_ahead, "segment": segment,
                "users": of_list(users_file),
            }),
        }
    }

    /// The job's list of users, if it has one.
    fn users(&self) -> &[UserId] {
        let list = match self {
            Self::Replay(_) => &None,
            Self::Backfill(args) => &args.users_file,
            Self::Recompute(args) => &args.users_file,
            Self::Republish(args) => &args.users_file,
        };
        list.as_ref().map_or(&[], |list| &list.0)
    }
}

/// Runs the job with --execute, else reports the changes that it would make.
///
/// # Errors
/// `out` cannot be written to, the job is refused or was halted.
pub async fn run(job: &StartJob, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let RunArgs { sample, examples, job: args } = job.run();
    let means = open(config, args.execute).await?;
    let asked = job.asked();
    if let Some(exit) = run::resume_begun(&means, args, *examples, &asked, out).await? {
        return Ok(exit);
    }
    let Some(what) = job.what(&means, out).await? else { return Ok(Exit::Ok) };
    let users = job.users();
    let chosen = chosen(&means, &what, users).await?;
    let expected = expected(&means, &what, chosen.as_ref()).await?;
    let ranges = ranges(&means, chosen.as_ref(), expected).await?;
    let spec = Spec { asked, emit: job.emit(), expected, what };
    let parts = spec.parts(ranges);
    if !args.execute {
        let sample = sample.unwrap_or(Sample::ALL);
        return run::dry_run(&means, &spec, &parts, chosen, args, (sample, *examples), out).await;
    }
    if let (StartJob::Recompute(args), What::Recompute { which, .. }) = (job, &spec.what)
        && !args.accept_shift
    {
        refuse_great_shift(&means, which, users, config.catalog.max_shift).await?;
    }
    let ahead = match chosen {
        Some(Chosen::Ahead(ahead)) => Some(ahead),
        Some(Chosen::Keys(_)) | None => None,
    };
    run::begin(&means, args, *examples, &spec, parts, (users, ahead), out).await
}

/// Refuses a recompute that would move more users than `max_shift`.
async fn refuse_great_shift(
    means: &Means,
    which: &RecomputeUsers,
    users: &[UserId],
    max_shift: Percent,
) -> anyhow::Result<()> {
    let shift = shift::estimate(&means.store, which, users).await.context("could not estimate the shift")?;
    if shift.percent() <= max_shift.0 {
        return Ok(());
    }
    let (percent, Shift { users, moved }) = (shift.percent(), shift);
    Err(ends(
        Exit::Refused,
        format!(
            "about {percent:.1} % of the users would move to another primary segment ({moved} of a sample of {users}), more \
             than catalog.max_shift, {max_shift}: `segmenter catalog simulate --from OLD --catalog NEW` shows the moves; \
             --accept-shift executes them"
        ),
    ))
}

/// The users of a job that is not stored yet, and its list with them; `None` for a job without users.
async fn chosen(means: &Means, what: &What, users: &[UserId]) -> anyhow::Result<Option<Chosen>> {
    Ok(match what.keys(Uuid::nil()) {
        Some(Keys::ListOf(_)) => Some(Chosen::Keys(Keys::Given(users.iter().map(ToString::to_string).collect()))),
        Some(keys) => Some(Chosen::Keys(keys)),
        None if *what == What::Republish(RepublishUsers::TopicAhead) => {
            Some(Chosen::Ahead(topic_ahead::find(means).await?))
        }
        None => None,
    })
}

/// The ranges of users that the job works through independently; one for a job without keys.
async fn ranges(means: &Means, chosen: Option<&Chosen>, expected: u64) -> anyhow::Result<Vec<KeyRange>> {
    let Some(Chosen::Keys(keys)) = chosen else { return Ok(vec![KeyRange::default()]) };
    let most = (expected / USERS_IN_RANGE).clamp(1, MOST_RANGES) as usize;
    keys.split(&means.store.pool, most, expected).await.context("could not split the users into ranges")
}

/// The approximate number of items of the job.
async fn expected(means: &Means, what: &What, chosen: Option<&Chosen>) -> anyhow::Result<u64> {
    match chosen {
        Some(Chosen::Keys(keys)) => keys.count(&means.store.pool).await.context("could not count the users"),
        Some(Chosen::Ahead(ahead)) => Ok(ahead.len() as u64),
        None => Ok(what.ranges().unwrap_or_default().iter().map(Range::len).sum()),
    }
}

/// Fixes the range of offsets and reports it.
async fn replay(args: &ReplayArgs, means: &Means, out: &mut (impl Write + Send)) -> anyhow::Result<Option<What>> {
    let input = [&means.output.topics.onboarding_completed, &means.output.topics.profile_updated];
    if let Some(other) = args.topics.iter().find(|topic| !input.contains(topic)) {
        let why = format!("{other} is not an input topic; those are {} and {}", input[0], input[1]);
        return Err(ends(Exit::Refused, why));
    }
    let topics = if args.topics.is_empty() { input.map(Clone::clone).to_vec() } else { args.topics.clone() };
    let sources: Vec<Source> = topics.into_iter().map(|topic| means.source_of(topic)).collect();
    let wish = Wish {
        from: args.from.clone(),
        to: args.to.clone(),
        now: clock(&means.store.pool).await.context("could not read the database's clock")?,
        partitions: args.partitions.clone(),
    };
    let planned =
        tokio::task::spawn_blocking(move || plan(&sources, &wish)).await.context("the planner panicked")??;
    print(&Report::Plan(Plan::of(planned.clone(), args.run.job.throttle().rate)), args.run.job.json, out)?;
    if planned.iter().any(|planned| planned.gap.is_some()) && !args.accept_gap {
        let why = "retention has removed records of the range: --accept-gap continues without them";
        return Err(ends(Exit::Refused, why));
    }
    let ranges: Vec<Range> =
        planned.into_iter().map(|planned| planned.range).filter(|range| !range.is_empty()).collect();
    if ranges.is_empty() {
        writeln!(out, "There is nothing to replay.")?;
        return Ok(None);
    }
    Ok(Some(What::Replay(Replay {
        ranges,
        users: args.users.iter().map(ToString::to_string).collect(),
        dead_letters: args.dead_letter,
    })))
}
