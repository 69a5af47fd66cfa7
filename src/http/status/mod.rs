//! The status of the process in one snapshot, which the page and `/api/status` share. The numbers are those of the
//! metrics; none is counted twice, and none names a user.

mod board;
mod cached;
mod findings;
mod jobs;
mod pace;
mod partitions;
mod reading;
mod recent;

use serde::Serialize;
use utoipa::ToSchema;

use crate::config::ShownSetting;
use crate::runtime::health::HealthReport;
use crate::store::distribution::Distribution;

pub use board::Board;
pub use findings::{Finding, Severity};
pub(crate) use jobs::{JobStatus, watch_jobs};
pub use pace::Sample;
pub use partitions::PartitionStatus;

/// A snapshot. Counts are since the process started.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The problems, the most urgent first.
    pub findings: Vec<Finding>,
    pub process: Process,
    pub health: HealthReport,
    pub throughput: Throughput,
    pub intake: Intake,
    pub lag: Lag,
    /// The partitions assigned to this process.
    pub partitions: Vec<PartitionStatus>,
    pub outbox: Outbox,
    /// By reason, the most frequent first; reasons that did not occur are left out.
    pub dead_letters: Vec<Count>,
    /// By reason, as `dead_letters`.
    pub skipped: Vec<Count>,
    /// Changes of the primary segment that were committed, the most frequent first.
    pub changes: Vec<ChangeCount>,
    /// `null` until the catalog is loaded.
    #[schema(required)]
    pub catalog: Option<CatalogStatus>,
    /// `null` until it was read once.
    #[schema(required)]
    pub segments: Option<SampledDistribution>,
    /// All open jobs, then the newest ended ones; `null` where they cannot be read.
    #[schema(required)]
    pub jobs: Option<Vec<JobStatus>>,
    /// The effective configuration; secrets are masked.
    pub config: Vec<ShownSetting>,
}

/// The identity of the process.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    pub version: &'static str,
    /// The host's name; in Kubernetes that of the pod.
    pub host: String,
    pub uptime_seconds: f64,
    pub cpu_seconds: f64,
    pub resident_bytes: f64,
}

/// Rates and totals.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// Records finished a second, over the last ten seconds.
    pub records_per_second: f64,
    /// Changes, repeats and tombstones acknowledged on segment-changed a second, over the same time.
    pub published_per_second: f64,
    /// Records finished a second, for each stretch of five seconds, the newest last; at most sixty.
    pub history: Vec<f64>,
    /// Records by outcome.
    pub outcomes: Vec<Count>,
    pub published: u64,
}

/// Records in flight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intake {
    pub paused: bool,
    pub records: f64,
    pub bytes: f64,
    /// Rejections held back until their run ends.
    pub held: f64,
}

/// Records not read yet, of the partitions assigned to this process.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lag {
    pub assigned_partitions: f64,
    pub records: f64,
    /// The age of the oldest record that is not finished; 0 where there is none.
    pub oldest_seconds: f64,
}

/// Changes that are committed and not published, of all processes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outbox {
    pub rows: f64,
    pub oldest_seconds: f64,
}

/// A name and its number of occurrences.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Count {
    pub name: String,
    pub count: u64,
}

/// Changes of the primary segment from one to another.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChangeCount {
    pub from: String,
    pub to: String,
    pub count: u64,
}

/// The catalog in use.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CatalogStatus {
    pub version: u32,
    pub hash: String,
}

/// Users by primary segment, from a sample, with its age.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SampledDistribution {
    pub seconds_ago: u64,
    #[serde(flatten)]
    pub distribution: Distribution,
}
