//! `segmenter job`: watches and controls jobs of every kind.

use std::io::Write;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::report::{Listed, Status};
use super::run::{find, resume};
use super::{ReportArgs, ThrottleArgs, open};
use crate::cli::failure::ends;
use crate::cli::table::print;
use crate::config::Config;
use crate::runtime::exit::Exit;
use crate::store::audit;
use crate::store::jobs::{self, JobRecord, Requested};

/// List, watch, pause, resume, cancel or throttle jobs.
///
/// A job and its checkpoints are stored in PostgreSQL. One process at a time owns a job, by a lease of ten seconds that
/// it renews every second. If that process is gone, `resume` continues the job on any machine; no work is lost or done
/// twice.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused: the job does not exist, has ended, or is owned by another
/// process; 4 done, with rejected records; 75 Kafka or PostgreSQL is unavailable: resume the job later; 130
/// interrupted: resume the job later.
#[derive(Debug, Args)]
pub struct JobCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the jobs: open ones, then those that ended, each newest first.
    List {
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the acts of operators, newest first: jobs started or controlled, users erased.
    ///
    /// Each with its time, the role of the database, the operator's name (--operator), the host, and the
    /// arguments. A user is shown by the SHA-256 of the id.
    History {
        /// Maximum number of acts.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a job: its positions, its limits, and the limit it waits for.
    Status {
        /// The job's id, as `list` shows it.
        id: Uuid,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Pause a job; its process keeps running and waits for `resume`.
    Pause {
        /// The job's id, as `list` shows it.
        id: Uuid,
    },
    /// Resume a paused job; without an owner, it continues in this process.
    Resume {
        /// The job's id, as `list` shows it.
        id: Uuid,
        /// Take over the job before its owner's lease expires. Safe: the old owner can no longer write.
        #[arg(long)]
        take_over: bool,
        #[command(flatten)]
        report: ReportArgs,
    },
    /// End a job early; changes made so far are kept and published.
    Cancel {
        /// The job's id, as `list` shows it.
        id: Uuid,
        #[command(flatten)]
        report: ReportArgs,
    },
    /// Set the limits of a job, running or not; omitted limits are removed.
    Throttle {
        /// The job's id, as `list` shows it.
        id: Uuid,
        #[command(flatten)]
        limits: ThrottleArgs,
    },
}

/// Shows jobs, or controls one.
///
/// # Errors
/// `out` cannot be written to, the database refuses us, or there is no such job.
pub async fn run(command: &JobCommand, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let reads = matches!(command.action, Action::List { .. } | Action::History { .. } | Action::Status { .. });
    let means = open(config, !reads).await?;
    let pool = &means.store.pool;
    match &command.action {
        Action::List { json, .. } => {
            let jobs = jobs::list(pool).await.context("could not list the jobs")?;
            print(&jobs.iter().map(Listed::of).collect::<Vec<_>>(), *json, out)?;
        }
        Action::History { limit, json } => {
            print(&audit::newest(pool, *limit).await.context("could not list the acts")?, *json, out)?;
        }
        Action::Status { id, json } => {
            let record = find(&means, *id).await?.ok_or_else(|| missing(*id))?;
            print(&Status::of(&means, record).await?, *json, out)?;
        }
        Action::Pause { id } => {
            if !jobs::ask(pool, *id, Requested::Pause, &means.operator).await.context("could not pause the job")? {
                return Err(missing_or_ended(find(&means, *id).await?, *id));
            }
            writeln!(out, "The job pauses.")?;
        }
        Action::Resume { id, take_over, report } => {
            let record = unended(find(&means, *id).await?, *id)?;
            if record.requested == Requested::Pause {
                jobs::ask(pool, *id, Requested::Run, &means.operator).await.context("could not resume the job")?;
                if record.is_owned() && !take_over {
                    writeln!(out, "The job continues in {}.", owner(&record))?;
                    return Ok(Exit::Ok);
                }
            }
            return resume(&means, record, None, *take_over, *report, out).await;
        }
        Action::Cancel { id, report } => {
            let record = unended(find(&means, *id).await?, *id)?;
            jobs::ask(pool, *id, Requested::Cancel, &means.operator).await.context("could not cancel the job")?;
            if !record.is_owned() {
                return resume(&means, record, None, false, *report, out).await;
            }
            writeln!(out, "The job ends in {}, which publishes its changes.", owner(&record))?;
        }
        Action::Throttle { id, limits } => {
            let throttle = limits.throttle();
            let set = jobs::set_throttle(pool, *id, &serde_json::to_value(throttle)?, &means.operator).await;
            if !set.context("could not set the limits")? {
                return Err(missing_or_ended(find(&means, *id).await?, *id));
            }
            print(&throttle, false, out)?;
        }
    }
    Ok(Exit::Ok)
}

fn owner(record: &JobRecord) -> &str {
    record.owner_name.as_deref().unwrap_or("its process")
}

fn unended(record: Option<JobRecord>, id: Uuid) -> anyhow::Result<JobRecord> {
    match record {
        Some(record) if record.ended_at.is_none() => Ok(record),
        record => Err(missing_or_ended(record, id)),
    }
}

fn missing_or_ended(record: Option<JobRecord>, id: Uuid) -> anyhow::Error {
    let ended = |record: JobRecord| ends(Exit::Refused, format!("the job {id} has ended: it is {}", record.state()));
    record.map_or_else(|| missing(id), ended)
}

fn missing(id: Uuid) -> anyhow::Error {
    ends(Exit::Refused, format!("there is no job {id}"))
}
