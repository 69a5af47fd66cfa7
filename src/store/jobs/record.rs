//! Stored jobs and their parts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::store::error::StoreError;
use crate::store::sql::Pool;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use super::Counts;
use crate::domain::event::Millis;

/// The operator's request to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    Run,
    Pause,
    Cancel,
}

impl Requested {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Cancel => "cancel",
        }
    }

    /// The column has a check constraint: there are no other values.
    pub(super) fn parse(word: &str) -> Self {
        match word {
            "pause" => Self::Pause,
            "cancel" => Self::Cancel,
            _ => Self::Run,
        }
    }
}

/// The phase of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Processing its source.
    Work,
    /// Publishing the changes that it deferred.
    Publish,
    Done,
    /// Ended early; its changes were published.
    Cancelled,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Publish => "publish",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }

    /// The column has a check constraint: there are no other values.
    fn parse(word: &str) -> Self {
        match word {
            "publish" => Self::Publish,
            "done" => Self::Done,
            "cancelled" => Self::Cancelled,
            _ => Self::Work,
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    pub id: Uuid,
    pub kind: String,
    pub spec: serde_json::Value,
    pub throttle: serde_json::Value,
    pub requested: Requested,
    pub phase: Phase,
    /// Host and process of the last owner.
    pub owner_name: Option<String>,
    /// The rest of the lease; `None` while the job has no owner.
    pub leased_for: Option<Duration>,
    /// The owner's last report.
    pub report: serde_json::Value,
    pub created_at: Millis,
    pub ended_at: Option<Millis>,
}

impl JobRecord {
    /// Whether a process holds the lease.
    pub(crate) fn is_owned(&self) -> bool {
        self.leased_for.is_some()
    }

    /// Whether it goes on only when an operator resumes it.
    pub(crate) fn waits_for_operator(&self) -> bool {
        !self.phase.is_end() && (self.requested == Requested::Pause || !self.is_owned())
    }

    /// Its state, as one word.
    pub fn state(&self) -> &'static str {
        match (self.phase, self.requested) {
            (Phase::Done, _) => "done",
            (Phase::Cancelled, _) => "cancelled",
            (Phase::Work | Phase::Publish, Requested::Pause) => "paused",
            (Phase::Work | Phase::Publish, Requested::Run | Requested::Cancel) if !self.is_owned() => "interrupted",
            (Phase::Work, Requested::Cancel) => "cancelling",
            (Phase::Work, Requested::Run) => "running",
            (Phase::Publish, _) => "publishing",
        }
    }
}

/// A part of a job, with its position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    #[serde(rename = "part")]
    pub name: String,
    pub position: String,
    pub until: Option<String>,
    pub done: bool,
    pub counts: Counts,
}

macro_rules! columns {
    () => {
        r#"select id, kind, spec, throttle, requested, phase, owner_name, report,
        greatest(0, extract(epoch from leased_until - clock_timestamp()))::float8 as leased_for,
        floor(extract(epoch from created_at) * 1000)::bigint as created_at,
        floor(extract(epoch from ended_at) * 1000)::bigint as ended_at from segmenter.jobs "#
    };
}

/// How many ended jobs are listed at most: the newest.
const LISTED: i64 = 200;

/// All open jobs, then the newest ended ones.
pub async fn list(pool: &Pool) -> Result<Vec<JobRecord>, StoreError> {
    open_and_newest_ended(pool, LISTED).await
}

/// All open jobs, then the `ended` ended ones that were created last; both with the newest first.
pub async fn open_and_newest_ended(pool: &Pool, ended: i64) -> Result<Vec<JobRecord>, StoreError> {
    let jobs = pool.query_as(concat!(
        columns!(),
        "where ended_at is null or id in (
           select id from segmenter.jobs where ended_at is not null order by created_at desc, id limit $1)
         order by ended_at is not null, created_at desc, id"
    ));
    pool.fetch_all(jobs.bind(ended)).await
}

/// The job of that id.
pub async fn find(pool: &Pool, id: Uuid) -> Result<Option<JobRecord>, StoreError> {
    let job = pool.query_as(concat!(columns!(), "where id = $1")).bind(id);
    pool.fetch_optional(job).await
}

/// The parts of a job, in their order.
pub async fn parts(pool: &Pool, id: Uuid) -> Result<Vec<Part>, StoreError> {
    let parts = pool.query_as(
        "select part, position, until, done, counts from segmenter.job_parts where job_id = $1 order by place",
    );
    pool.fetch_all(parts.bind(id)).await
}

/// The parts of several jobs, each in their order.
pub async fn parts_of(pool: &Pool, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<Part>>, StoreError> {
    let parts = pool.query(
        "select job_id, part, position, until, done, counts from segmenter.job_parts where job_id = any($1) order by place",
    );
    let mut of_jobs: BTreeMap<Uuid, Vec<Part>> = BTreeMap::new();
    for row in pool.fetch_all(parts.bind(ids)).await? {
        of_jobs.entry(row.try_get("job_id")?).or_default().push(Part::from_row(&row)?);
    }
    Ok(of_jobs)
}

impl<'r> FromRow<'r, PgRow> for JobRecord {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let leased_for: f64 = row.try_get("leased_for")?;
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            spec: row.try_get("spec")?,
            throttle: row.try_get("throttle")?,
            requested: Requested::parse(row.try_get("requested")?),
            phase: Phase::parse(row.try_get("phase")?),
            owner_name: row.try_get("owner_name")?,
            leased_for: Duration::try_from_secs_f64(leased_for).ok().filter(|left| !left.is_zero()),
            report: row.try_get("report")?,
            created_at: Millis(row.try_get("created_at")?),
            ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Millis),
        })
    }
}

impl<'r> FromRow<'r, PgRow> for Part {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("part")?,
            position: row.try_get("position")?,
            until: row.try_get("until")?,
            done: row.try_get("done")?,
            counts: Counts::from_json(row.try_get("counts")?),
        })
    }
}
