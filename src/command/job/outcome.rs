//! The end of a job, or where it was left.

use std::io::Write;

use anyhow::Context as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Opened, claim, table};
use crate::exit::Exit;
use crate::store::jobs::{self, Counts, JobRecord, Stage};
use crate::store::{lookup, onboarding_profiles};

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
        let end = json!({
            "id": id, "state": record.state(), "counts": counts, "successRate": success_rate(&counts),
            "failures": named(&opened.failures(id, ALL_FAILURES).await?), "backfill": about_backfill(opened, &record).await?,
        });
        writeln!(out, "{}", json!({"end": end}))?;
    } else {
        table::status(&record, &parts, false, out)?;
        if let Some(rate) = success_rate(&counts) {
            writeln!(out, "{:<28} {rate:>10.2} %", "success rate")?;
        }
        table::failures(&opened.failures(id, SHOWN_FAILURES).await?, counts.rejected, out)?;
        if let Some(about) = about_backfill(opened, &record).await? {
            about.write(out)?;
        }
    }
    Ok(match halted {
        Some(exit) => exit,
        None if counts.rejected > 0 => Exit::Findings,
        None => Exit::Ok,
    })
}

/// How many failures are listed for people, and for programs: all that are kept.
const SHOWN_FAILURES: i64 = 20;
const ALL_FAILURES: i64 = 10_000;

/// Of the items that were meant, how many could be taken, in percent; `None` where none was meant.
fn success_rate(counts: &Counts) -> Option<f64> {
    let taken = counts.applied + counts.unchanged + counts.stale;
    let meant = taken + counts.rejected;
    (meant > 0).then(|| (taken as f64 / meant as f64 * 10_000.0).round() / 100.0)
}

fn named(failures: &[(String, String)]) -> Vec<Value> {
    failures.iter().map(|(user, why)| json!({"user": user, "why": why})).collect()
}

/// What the end of a backfill tells of the table.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct AboutBackfill {
    vectors_without_profile: i64,
    distribution: Vec<Share>,
}

#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Share {
    segment: Option<String>,
    users: i64,
    average_confidence: Option<f64>,
}

async fn about_backfill(opened: &Opened, record: &JobRecord) -> anyhow::Result<Option<AboutBackfill>> {
    if record.kind != "backfill" || record.ended_at.is_none() {
        return Ok(None);
    }
    let pool = &opened.database.pool;
    let vectors_without_profile =
        onboarding_profiles::vectors_without(pool).await.context("could not count the vectors without a profile")?;
    let shares = lookup::distribution(pool).await.context("could not count the segments")?;
    let share = |share: lookup::Share| Share {
        segment: share.primary_segment,
        users: share.users,
        average_confidence: share.average_confidence,
    };
    Ok(Some(AboutBackfill { vectors_without_profile, distribution: shares.into_iter().map(share).collect() }))
}

impl AboutBackfill {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{:<28} {:>11}", "vectors without a profile", self.vectors_without_profile)?;
        writeln!(out, "\n{:<28} {:>11}  average confidence", "primary segment", "users")?;
        for share in &self.distribution {
            let segment = share.segment.as_deref().unwrap_or("(none)");
            let average = share.average_confidence.map(|average| format!("{average:.2}")).unwrap_or_default();
            writeln!(out, "{segment:<28} {:>11}  {average}", share.users)?;
        }
        Ok(())
    }
}

/// How a job has ended, in a word.
pub(super) fn ended(record: &JobRecord) -> &'static str {
    match record.stage {
        Stage::Cancelled => "cancelled",
        Stage::Done => "done",
        Stage::Work | Stage::Say => "not ended",
    }
}
