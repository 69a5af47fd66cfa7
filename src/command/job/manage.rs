//! What can be done to a job of any kind.

use std::io::Write;

use anyhow::Context as _;
use uuid::Uuid;

use super::{Manage, Opened, claim, outcome, refused, table};
use crate::command::database::{self, Access};
use crate::config::Config;
use crate::exit::Exit;
use crate::store::jobs::{self, JobRecord, Wanted};

/// Looks at jobs, or tells one what to do.
///
/// # Errors
/// `out` cannot be written to, or the database refuses us.
pub async fn run(action: &Manage, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    database::ended(act(action, config, out).await)
}

async fn act(action: &Manage, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let access = match action {
        Manage::List { .. } | Manage::Status { .. } => Access::Read,
        Manage::Pause(_) | Manage::Resume { .. } | Manage::Cancel { .. } | Manage::Throttle { .. } => Access::Write,
    };
    let opened = match super::open(config, access).await? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    match action {
        Manage::List { json, .. } => {
            let jobs = jobs::list(&opened.database.pool).await.context("could not list the jobs")?;
            table::list(&jobs, *json, out)?;
            Ok(Exit::Ok)
        }
        Manage::Status { json, job } => status(&opened, job.id, *json, out).await,
        Manage::Pause(job) => ask(&opened, job.id, Wanted::Pause, "The job pauses.", out).await,
        Manage::Resume { take_over, json, job } => resume(&opened, job.id, *take_over, *json, out).await,
        Manage::Cancel { json, job } => cancel(&opened, job.id, *json, out).await,
        Manage::Throttle { limits, job } => {
            let throttle = serde_json::to_value(limits.throttle())?;
            let set = jobs::set_throttle(&opened.database.pool, job.id, &throttle).await;
            if !set.context("could not set the limits")? {
                return missing_or_ended(&opened, job.id).await;
            }
            writeln!(out, "The job's limits: {}.", table::limits(&limits.throttle()))?;
            Ok(Exit::Ok)
        }
    }
}

async fn status(opened: &Opened, id: Uuid, json: bool, out: &mut impl Write) -> anyhow::Result<Exit> {
    let Some(record) = claim::find(opened, id).await? else { return refused(&format!("there is no job {id}")) };
    let parts = jobs::parts(&opened.database.pool, id).await.context("could not read the job's parts")?;
    table::status(&record, &parts, json, out)?;
    Ok(Exit::Ok)
}

async fn ask(opened: &Opened, id: Uuid, wanted: Wanted, done: &str, out: &mut impl Write) -> anyhow::Result<Exit> {
    if !jobs::ask(&opened.database.pool, id, wanted).await.context("could not tell the job")? {
        return missing_or_ended(opened, id).await;
    }
    writeln!(out, "{done}")?;
    Ok(Exit::Ok)
}

async fn resume(
    opened: &Opened,
    id: Uuid,
    take_over: bool,
    json: bool,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let Some(record) = open_job(opened, id).await? else { return missing_or_ended(opened, id).await };
    if record.wanted == Wanted::Pause {
        jobs::ask(&opened.database.pool, id, Wanted::Run).await.context("could not tell the job")?;
        if record.is_owned() && !take_over {
            let owner = record.owner_name.as_deref().unwrap_or("its process");
            writeln!(out, "The job goes on in {owner}.")?;
            return Ok(Exit::Ok);
        }
    }
    claim::resume(opened, record, take_over, json, out).await
}

/// An owner ends its job itself; one that nobody is at is ended here.
async fn cancel(opened: &Opened, id: Uuid, json: bool, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let Some(record) = open_job(opened, id).await? else { return missing_or_ended(opened, id).await };
    jobs::ask(&opened.database.pool, id, Wanted::Cancel).await.context("could not tell the job")?;
    if record.is_owned() {
        let owner = record.owner_name.as_deref().unwrap_or("its process");
        writeln!(out, "The job ends in {owner}, which says what it has changed.")?;
        return Ok(Exit::Ok);
    }
    claim::resume(opened, record, false, json, out).await
}

/// The job, unless it has ended or is not there.
async fn open_job(opened: &Opened, id: Uuid) -> anyhow::Result<Option<JobRecord>> {
    Ok(claim::find(opened, id).await?.filter(|record| record.ended_at.is_none()))
}

async fn missing_or_ended(opened: &Opened, id: Uuid) -> anyhow::Result<Exit> {
    match claim::find(opened, id).await? {
        None => refused(&format!("there is no job {id}")),
        Some(record) => refused(&format!("the job {id} has ended: it is {}", outcome::ended(&record))),
    }
}
