//! The reports of the job commands.

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use tracing::warn;
use uuid::Uuid;

use super::findings;
use crate::checks::found::AllFound;
use crate::cli::follow_up::execute;
use crate::domain::sample::Sample;
use crate::jobs::dry_run::Forecast;
use crate::jobs::replay::plan::PlannedRange;
use crate::jobs::spec::{Emit, Spec, What};
use crate::jobs::{Means, commands, run};
use crate::store::distribution::{self, Distribution};
use crate::store::error::StoreError;
use crate::store::jobs::{self, Counts, JobRecord, Part};
use crate::store::onboarding_profiles;

/// One section of the output of a job, or of its dry run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Report {
    Plan(Plan),
    #[serde(rename_all = "camelCase")]
    Job {
        id: Uuid,
        kind: String,
        phase: &'static str,
        after_interruption: String,
    },
    DryRun(DryRun),
    End(Box<End>),
}

/// The offsets that a replay will read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    ranges: Vec<PlannedRange>,
    /// An upper bound: compaction leaves gaps.
    records: u64,
    estimated_seconds: u64,
}

/// The assumed rate of a replay without a limit, in records per second; its progress shows the real one.
const ASSUMED_RATE: u32 = 5_000;

impl Plan {
    pub fn of(ranges: Vec<PlannedRange>, rate: Option<u32>) -> Self {
        let rate = rate.unwrap_or(ASSUMED_RATE);
        let records: u64 = ranges.iter().map(|planned| planned.range.len()).sum();
        Self { ranges, records, estimated_seconds: records.div_ceil(u64::from(rate)) }
    }
}

/// The changes that a job would make.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DryRun {
    /// The command that executes it; absent if nothing would be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// The share of the users that all numbers are of; absent if all.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<String>,
    counts: Counts,
    users_changed: u64,
    flow: Vec<Step>,
    #[serde(flatten)]
    found: AllFound,
}

/// Users whose primary segment would change from one to the other; both are the same if only the rest of the ranking
/// changes.
#[derive(Debug, Serialize)]
struct Step {
    from: Option<Box<str>>,
    to: Option<Box<str>>,
    users: u64,
}

impl DryRun {
    pub fn of(forecast: Forecast, spec: &Spec, sample: Sample) -> Self {
        let Forecast { counts, flow, failures } = forecast;
        let mut flow: Vec<Step> = flow.into_iter().map(|((from, to), users)| Step { from, to, users }).collect();
        // The sort is stable: equal numbers stay in the order of the segments' names.
        flow.sort_by_key(|step| std::cmp::Reverse(step.users));
        let sample = (sample != Sample::ALL).then(|| sample.to_string());
        let next = (counts.applied > 0).then(execute);
        let found = findings::of(&counts, failures, &spec.what, None);
        Self { next, sample, counts, users_changed: flow.iter().map(|step| step.users).sum(), flow, found }
    }

    pub(crate) fn has_findings(&self) -> bool {
        self.counts.has_findings()
    }
}

/// A job in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    id: Uuid,
    kind: String,
    state: &'static str,
    started_at: String,
    ended_at: Option<String>,
    /// The last owner.
    owner: Option<String>,
}

impl Listed {
    pub fn of(record: &JobRecord) -> Self {
        Self {
            id: record.id,
            kind: record.kind.clone(),
            state: record.state(),
            started_at: record.created_at.to_string(),
            ended_at: record.ended_at.map(|at| at.to_string()),
            owner: record.owner_name.clone(),
        }
    }
}

/// A job with its position.
#[derive(Debug, Serialize)]
struct Job {
    #[serde(flatten)]
    listed: Listed,
    /// Items of the source that have been processed, out of about `expected`.
    passed: u64,
    expected: u64,
    counts: Counts,
}

impl Job {
    fn of(record: &JobRecord, spec: Option<&Spec>, parts: &[Part]) -> Self {
        Self {
            listed: Listed::of(record),
            passed: spec.map_or(0, |spec| run::passed(&spec.what, parts).min(spec.expected)),
            expected: spec.map_or(0, |spec| spec.expected),
            counts: run::total(parts),
        }
    }
}

async fn parts(means: &Means, id: Uuid) -> anyhow::Result<Vec<Part>> {
    jobs::parts(&means.store.pool, id).await.context("could not read the job's parts")
}

/// The command that follows from a job as it is: it continues one that waits for an operator, and publishes what one has deferred.
fn next(record: &JobRecord, spec: Option<&Spec>, counts: &Counts) -> Option<String> {
    if record.ended_at.is_none() {
        return record.waits_for_operator().then(|| commands::resume(record.id));
    }
    let spec = spec?;
    let is_unpublished = spec.emit == Emit::None && !matches!(spec.what, What::Republish(_)) && counts.applied > 0;
    is_unpublished.then(|| "segmenter republish --all --execute".to_owned())
}

/// A job in full.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    #[serde(flatten)]
    job: Job,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    throttle: Value,
    /// The owner's last report: its rate, and the limit that the job waits for.
    report: Value,
    spec: Value,
    parts: Vec<Part>,
}

impl Status {
    pub async fn of(means: &Means, record: JobRecord) -> anyhow::Result<Self> {
        let parts = parts(means, record.id).await?;
        let spec = run::spec(&record).ok();
        let job = Job::of(&record, spec.as_ref(), &parts);
        let next = next(&record, spec.as_ref(), &job.counts);
        Ok(Self { job, next, throttle: record.throttle, report: record.report, spec: record.spec, parts })
    }
}

/// A job after it has ended or was interrupted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct End {
    #[serde(flatten)]
    job: Job,
    /// Percentage of the selected items that were not rejected; absent if none was selected.
    success_rate: Option<f64>,
    /// The command that follows from the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(flatten)]
    found: AllFound,
    /// The table after a backfill.
    #[serde(skip_serializing_if = "Option::is_none")]
    backfill: Option<Backfilled>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Backfilled {
    vectors_without_profile: Option<u64>,
    distribution: Option<Distribution>,
}

impl End {
    /// With the first `limit` failures.
    pub async fn of(means: &Means, id: Uuid, limit: usize) -> anyhow::Result<Self> {
        let pool = &means.store.pool;
        let record = jobs::find(pool, id).await.context("could not look for the job")?.context("the job is gone")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let failures = jobs::failures(pool, id, limit).await.context("could not read the job's failures")?;
        let spec = run::spec(&record).ok();
        let job = Job::of(&record, spec.as_ref(), &parts(means, id).await?);
        let accepted = job.counts.applied + job.counts.unchanged + job.counts.stale;
        let selected = accepted + job.counts.rejected;
        Ok(Self {
            success_rate: (selected > 0).then(|| (accepted as f64 / selected as f64 * 10_000.0).round() / 100.0),
            next: next(&record, spec.as_ref(), &job.counts),
            found: spec.map_or_else(AllFound::default, |spec| {
                findings::of(&job.counts, failures, &spec.what, Some(record.created_at))
            }),
            job,
            backfill: None,
        })
    }

    /// Adds the tables after a backfill, as far as they can be read.
    pub async fn with_tables(mut self, means: &Means) -> Self {
        if self.job.listed.kind == "backfill" && self.job.listed.ended_at.is_some() {
            let pool = &means.store.pool;
            let unknown = |error: StoreError| warn!(%error, "the tables after the backfill could not be counted");
            let vectors_without_profile = onboarding_profiles::vectors_without(pool).await.map_err(unknown).ok();
            self.found.add(findings::vectors_without_profile(vectors_without_profile.unwrap_or(0)), None);
            self.backfill = Some(Backfilled {
                vectors_without_profile,
                distribution: distribution::sampled(pool).await.map_err(unknown).ok(),
            });
        }
        self
    }

    pub(crate) fn has_findings(&self) -> bool {
        self.job.counts.has_findings()
    }
}
