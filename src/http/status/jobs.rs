//! Progress and throttling of the jobs, for the page and as metrics of this process, since jobs end and are not scraped.
//! The users of a job are not shown.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::store::sql::Pool;
use serde::Serialize;
use tracing::debug;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::jobs::commands;
use crate::jobs::deferred;
use crate::jobs::run;
use crate::jobs::snapshot::JobReport;
use crate::jobs::spec::Spec;
use crate::store::error::StoreError;
use crate::store::jobs::{self, Counts, JobRecord, Part};
use crate::telemetry::metrics::{JOB_KINDS, JobsOfAKind, Metrics, OPEN_JOB_STATES};

/// How often the metrics are set.
const INTERVAL: Duration = Duration::from_secs(10);
/// How many ended jobs are shown besides the open ones.
const SHOWN: i64 = 5;

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    pub id: Uuid,
    pub kind: String,
    /// `running`, `publishing`, `paused`, `interrupted`, `cancelling`, `cancelled` or `done`.
    pub state: &'static str,
    /// `work`, `publish`, `done` or `cancelled`.
    pub phase: &'static str,
    /// Items of its source processed, of about `expected`; `null` for a job of a newer version.
    #[schema(required)]
    pub passed: Option<u64>,
    #[schema(required)]
    pub expected: Option<u64>,
    /// Its items by outcome.
    pub counts: Counts,
    /// Items a second, lately; 0 where no process runs it.
    pub items_per_second: f64,
    /// The limit that holds it up, if any.
    #[schema(required)]
    pub held_by: Option<String>,
    /// Host and process of the last owner.
    #[schema(required)]
    pub owner: Option<String>,
    /// When its last checkpoint was written, by the owner's clock; `null` before the first one.
    #[schema(required, format = DateTime)]
    pub checkpoint_at: Option<String>,
    #[schema(format = DateTime)]
    pub started_at: String,
    #[schema(required, format = DateTime)]
    pub ended_at: Option<String>,
    /// The commands that apply to it as it is, the most likely first.
    pub commands: Vec<String>,
}

impl JobStatus {
    /// The share of its source that it has processed, 0 to 1.
    pub fn progress(&self) -> Option<f64> {
        let (passed, expected) = (self.passed?, self.expected?);
        Some(if expected == 0 { 1.0 } else { passed as f64 / expected as f64 })
    }
}

pub(super) async fn read(pool: &Pool) -> Result<Vec<JobStatus>, StoreError> {
    let jobs = jobs::open_and_newest_ended(pool, SHOWN).await?;
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
    let mut parts = jobs::parts_of(pool, &ids).await?;
    Ok(jobs
        .into_iter()
        .map(|job| {
            let parts = parts.remove(&job.id).unwrap_or_default();
            status(job, &parts)
        })
        .collect())
}

fn status(job: JobRecord, parts: &[Part]) -> JobStatus {
    let spec: Option<Spec> = serde_json::from_value(job.spec.clone()).ok();
    let report: JobReport = serde_json::from_value(job.report.clone()).unwrap_or_default();
    // Rate and limit are those of an owner.
    let (rate, held) = if job.is_owned() { (report.rate, report.held) } else { (0.0, None) };
    let work = parts.iter().filter(|part| part.name != deferred::PART);
    JobStatus {
        id: job.id,
        state: job.state(),
        phase: job.phase.as_str(),
        commands: commands::of(&job),
        passed: spec.as_ref().map(|spec| run::passed(&spec.what, parts).min(spec.expected)),
        expected: spec.as_ref().map(|spec| spec.expected),
        counts: work.map(|part| &part.counts).fold(Counts::default(), Counts::plus),
        items_per_second: rate,
        held_by: held.map(|held| held.to_string()),
        owner: job.owner_name,
        checkpoint_at: report.checkpoint_at,
        started_at: job.created_at.to_string(),
        ended_at: job.ended_at.map(|at| at.to_string()),
        kind: job.kind,
    }
}

/// Sets the metrics for as long as the process runs. A role that may not read them shows none.
pub(crate) async fn watch_jobs(pool: Pool, metrics: Metrics) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match read(&pool).await {
            Ok(jobs) => JOB_KINDS.iter().for_each(|kind| metrics.observe_jobs(kind, &of_a_kind(&jobs, kind))),
            Err(error) => debug!(%error, "could not read the jobs"),
        }
    }
}

fn of_a_kind(jobs: &[JobStatus], kind: &str) -> JobsOfAKind {
    let open = || jobs.iter().filter(|job| job.kind == kind && job.ended_at.is_none());
    let states: BTreeMap<&'static str, i64> =
        OPEN_JOB_STATES.iter().map(|state| (*state, count(open().filter(|job| job.state == *state)))).collect();
    let progress = open().filter_map(JobStatus::progress).fold(1.0, f64::min);
    JobsOfAKind { states, held: count(open().filter(|job| job.held_by.is_some())), progress }
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: &'static str, passed: u64, held_by: Option<&str>) -> JobStatus {
        JobStatus {
            id: uuid::Uuid::nil(),
            kind: "replay".to_owned(),
            state,
            passed: Some(passed),
            expected: Some(200),
            counts: Counts::default(),
            items_per_second: 0.0,
            held_by: held_by.map(str::to_owned),
            phase: "work",
            owner: None,
            checkpoint_at: None,
            commands: Vec::new(),
            started_at: String::new(),
            ended_at: (state == "done").then(String::new),
        }
    }

    #[test]
    fn ended_jobs_do_not_count_and_the_least_advanced_one_gives_the_progress() {
        let jobs = [job("done", 200, None), job("running", 150, Some("its rate")), job("interrupted", 50, None)];
        let replays = of_a_kind(&jobs, "replay");
        assert_eq!((replays.states["running"], replays.states["interrupted"], replays.held), (1, 1, 1));
        assert!((replays.progress - 0.25).abs() < 1e-9);
        let none = of_a_kind(&jobs, "backfill");
        assert!(none.states.values().all(|count| *count == 0) && (none.progress - 1.0).abs() < 1e-9);
    }
}
