//! The end of a job, or where it was left.

use std::io::Write;

use anyhow::Context as _;
use serde_json::json;
use uuid::Uuid;

use super::{Opened, claim, table};
use crate::exit::Exit;
use crate::store::jobs::{self, JobRecord, Stage};

/// Writes what the job came to; gives the exit code: that of what halted it, if anything did.
pub(super) async fn write(
    opened: &Opened,
    id: Uuid,
    halted: Option<Exit>,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    // Away is away: what halted it has been said.
    let record = match (claim::find(opened, id).await, halted) {
        (Ok(record), _) => record.context("the job has gone")?,
        (Err(_), Some(exit)) => return Ok(exit),
        (Err(error), None) => return Err(error),
    };
    let parts = jobs::parts(&opened.database.pool, id).await.context("could not read the job's parts")?;
    let counts = table::total(&parts);
    if json {
        let end = json!({"end": {"id": id, "state": record.state(), "counts": counts}});
        writeln!(out, "{end}")?;
    } else {
        table::status(&record, &parts, false, out)?;
    }
    Ok(match halted {
        Some(exit) => exit,
        None if counts.rejected > 0 => Exit::Findings,
        None => Exit::Ok,
    })
}

/// How a job has ended, in a word.
pub(super) fn ended(record: &JobRecord) -> &'static str {
    match record.stage {
        Stage::Cancelled => "cancelled",
        Stage::Done => "done",
        Stage::Work | Stage::Say => "not ended",
    }
}
