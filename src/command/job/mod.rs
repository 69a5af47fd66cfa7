//! `segmenter replay` and its kin: started, watched, and told what to do.

pub mod backfill;
mod begin;
mod board;
mod claim;
mod forecast;
mod manage;
mod outcome;
pub mod recompute;
pub mod replay;
pub mod republish;
mod table;
mod user_list;

use std::fmt::Display;
use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::database::{self, Access, Database};
use super::{registry, serve, settings};
use crate::batch_writer::Output;
use crate::config::{Bytes, Config, Value as _};
use crate::decoder::Decoder;
use crate::event::{Millis, UserId};
use crate::exit::Exit;
use crate::halt::Halt;
use crate::jobs::Means;
use crate::jobs::spec::What;
use crate::jobs::throttle::Throttle;
use crate::stop::Stop;
use crate::store::jobs;
use crate::store::keys::Keys;

/// The limits of a job. All may be changed while it runs.
#[derive(Debug, Clone, Copy, Args)]
pub struct ThrottleArgs {
    /// At most so many records (or rows, or users) a second.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Wait while the live service is more than so many records behind.
    #[arg(long, value_name = "RECORDS")]
    max_live_lag: Option<u64>,
    /// Wait while the outbox holds more than so many rows.
    #[arg(long, value_name = "ROWS")]
    max_outbox: Option<u64>,
    /// Wait while a small write to the database takes longer than so many milliseconds.
    #[arg(long, value_name = "MS")]
    max_db_latency: Option<u64>,
}

impl ThrottleArgs {
    fn throttle(&self) -> Throttle {
        Throttle {
            rate: self.rate,
            max_live_lag: self.max_live_lag,
            max_outbox: self.max_outbox,
            max_db_latency_ms: self.max_db_latency,
        }
    }
}

/// How a job is run, whatever its kind.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Do it, as a job of this process. Without this nothing is written anywhere.
    #[arg(long)]
    execute: bool,
    /// The job's id. If there is such a job, it is resumed: so a restarted process does not begin anew.
    #[arg(long, value_name = "UUID", requires = "execute")]
    id: Option<Uuid>,
    /// How much memory a dry run may use for the users that would change, about 4 KiB each.
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = parse_memory)]
    memory: usize,
    #[command(flatten)]
    limits: ThrottleArgs,
    /// Write a JSON object a line: progress, the end.
    #[arg(long)]
    json: bool,
}

fn parse_memory(text: &str) -> Result<usize, String> {
    Bytes::parse(text).map(|size| size.0)
}

/// A job, by its id.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job's id, as `list` shows it.
    id: Uuid,
}

/// What can be done to a job of any kind.
#[derive(Debug, Subcommand)]
pub enum Manage {
    /// List the jobs, the newest first.
    List {
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a job: how far each part is, its limits, what holds it up.
    Status {
        /// Write JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        job: JobArgs,
    },
    /// Let a job wait where it is. Its process goes on to live, and waits for `resume`.
    Pause(JobArgs),
    /// Let a paused job go on; one that nobody is at is taken up by this process, from where it was left.
    Resume {
        /// Take the job even from an owner whose lease has not run out. Safe: that one can write nothing more.
        #[arg(long)]
        take_over: bool,
        /// Write a JSON object a line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        job: JobArgs,
    },
    /// End a job early. What it has changed is said all the same; nothing is undone.
    Cancel {
        /// Write a JSON object a line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        job: JobArgs,
    },
    /// Set the limits of a job, also of one that runs; a limit that is not given no longer limits.
    Throttle {
        #[command(flatten)]
        limits: ThrottleArgs,
        #[command(flatten)]
        job: JobArgs,
    },
}

/// Any job, whatever its kind: list, status, pause, resume, cancel, throttle.
///
/// A job is kept in PostgreSQL with how far it is. One process at a time owns it, by a lease of ten seconds that it renews
/// every second; `resume` takes up a job whose process has gone, on any machine, and nothing is lost or done twice.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused: no such job, it has ended, somebody else is at it; 4 finished with
/// rejected records; 75 Kafka or PostgreSQL is away: resume it later; 130 interrupted: resume it later.
#[derive(Debug, Args)]
pub struct JobCommand {
    #[command(subcommand)]
    pub manage: Manage,
}

pub use manage::run as manage;

/// What a job works with, on an open database.
struct Opened {
    database: Database,
    means: Means,
}

impl Opened {
    /// Users of a job whose data broke a rule, with the rule.
    async fn failures(&self, id: Uuid, limit: i64) -> anyhow::Result<Vec<(String, String)>> {
        jobs::failures(&self.database.pool, id, limit).await.context("could not read the job's failures")
    }
}

/// Opens the database, and listens for signals to stop.
async fn open(config: &Config, access: Access) -> anyhow::Result<Result<Opened, Exit>> {
    let database = match database::open(&config.database, access).await? {
        Ok(database) => database,
        Err(schema) => return Ok(Err(database::refuse(&schema)?)),
    };
    let stop = Stop::default();
    serve::stop_on_signals(stop.clone())?;
    let live = settings::settings(config);
    let registry = registry::open(&config.registry)?;
    let means = Means {
        store: database.store(config)?,
        output: Output {
            cluster: live.cluster,
            topics: live.topics,
            encoding: live.output_encoding,
            registry: registry.clone(),
        },
        live_group: live.group,
        decoder: Decoder { registry, limits: live.limits, stop: stop.clone() },
        stop,
    };
    Ok(Ok(Opened { database, means }))
}

/// About how many users a job on users has to look at.
async fn expected(opened: &Opened, what: &What, users: &[UserId]) -> anyhow::Result<u64> {
    match what.keys(Uuid::nil()) {
        None | Some(Keys::ListOf(_)) => Ok(users.len() as u64),
        Some(keys) => keys.count(&opened.database.pool).await.context("could not count the users"),
    }
}

/// The database's present: what times before it are taken from.
async fn now(opened: &Opened) -> anyhow::Result<Millis> {
    crate::store::lookup::clock(&opened.database.pool).await.context("the database does not say the time")
}

/// Says why a job, or what leads to it, ended before its end, and gives the exit code.
fn halted(halt: &Halt) -> anyhow::Result<Exit> {
    writeln!(io::stderr(), "segmenter: {halt}")?;
    Ok(halt.exit())
}

/// Says why an argument cannot be used.
fn unusable(why: &impl Display) -> anyhow::Result<Exit> {
    writeln!(io::stderr(), "segmenter: {why}")?;
    Ok(Exit::Usage)
}

/// Says what refuses the command.
fn refused(why: &str) -> anyhow::Result<Exit> {
    writeln!(io::stderr(), "segmenter: {why}")?;
    Ok(Exit::Refused)
}
