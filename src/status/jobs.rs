//! The jobs beside the service: how far each has come, and what holds it up. Users that a job is about are not shown.

use std::time::Duration;

use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::cached::Cached;
use crate::jobs::run;
use crate::jobs::saying;
use crate::jobs::snapshot::Report;
use crate::jobs::spec::Spec;
use crate::store::Store;
use crate::store::jobs::{self, Counts, JobRecord, Part};

/// How long a reading is shown before the next.
const FRESH: Duration = Duration::from_secs(2);
/// How many jobs are shown: the newest.
const SHOWN: i64 = 8;

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    pub id: Uuid,
    pub kind: String,
    /// `running`, `saying`, `paused`, `interrupted`, `cancelling`, `cancelled` or `done`.
    pub state: &'static str,
    /// How much of its source it has passed, of about how much; `null` for a job of a newer version.
    pub passed: Option<u64>,
    pub expected: Option<u64>,
    /// Its items by what became of them.
    pub counts: Counts,
    /// Items a second, lately; 0 unless somebody is at it.
    pub items_per_second: f64,
    /// What it waits for, if it does.
    pub held_by: Option<String>,
    pub started_at: String,
    pub ended_at: Option<String>,
}

/// The last reading, shared by all who ask. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SeenJobs(Cached<Vec<JobStatus>>);

impl Default for SeenJobs {
    fn default() -> Self {
        Self(Cached::new("jobs", FRESH))
    }
}

impl SeenJobs {
    /// The newest jobs; `None` where they could never be read: the database does not answer, or the service's role may not.
    pub async fn newest(&self, store: &Store, patience: Duration) -> Option<Vec<JobStatus>> {
        let pool = store.pool.clone();
        self.0.get(patience, || async move { read(&pool).await }).await.map(|(_, jobs)| jobs)
    }
}

async fn read(pool: &PgPool) -> Result<Vec<JobStatus>, sqlx::Error> {
    let mut read = Vec::new();
    for job in jobs::newest(pool, SHOWN).await? {
        let parts = jobs::parts(pool, job.id).await?;
        read.push(status(job, &parts));
    }
    Ok(read)
}

fn status(job: JobRecord, parts: &[Part]) -> JobStatus {
    let spec: Option<Spec> = serde_json::from_value(job.spec.clone()).ok();
    let report: Report = serde_json::from_value(job.report.clone()).unwrap_or_default();
    let report = if job.is_owned() { report } else { Report::default() };
    let work = parts.iter().filter(|part| part.name != saying::PART);
    JobStatus {
        id: job.id,
        state: job.state(),
        passed: spec.as_ref().map(|spec| run::passed(&spec.what, parts).min(spec.expected)),
        expected: spec.as_ref().map(|spec| spec.expected),
        counts: work.map(|part| part.counts).fold(Counts::default(), Counts::plus),
        items_per_second: report.rate,
        held_by: report.held.map(|held| held.to_string()),
        started_at: job.created_at.to_string(),
        ended_at: job.ended_at.map(|at| at.to_string()),
        kind: job.kind,
    }
}
