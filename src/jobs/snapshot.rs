//! The progress of a job: for the terminal, the log and the job's row.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::pressure::Cause;
use crate::store::jobs::{Counts, Phase};

/// The reason why a job waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Held {
    Paused,
    /// Its rate is limited.
    Rate,
    /// A limit of its throttle is exceeded.
    Limit(Cause),
}

impl fmt::Display for Held {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => out.write_str("paused"),
            Self::Rate => out.write_str("its rate"),
            Self::Limit(cause) => cause.fmt(out),
        }
    }
}

/// A job at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    pub phase: Phase,
    /// The counts of all owners so far.
    pub counts: Counts,
    /// How much of the source has been processed, in the unit of `expected`.
    pub passed: u64,
    pub expected: u64,
    /// Users published in the publishing phase so far.
    pub published: u64,
    #[serde(flatten)]
    pub report: JobReport,
}

/// The owner's report in the job's row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobReport {
    /// The recent rate, in items per second.
    pub rate: f64,
    /// When the last checkpoint was written, by the owner's clock, RFC 3339.
    pub checkpoint_at: Option<String>,
    /// Records that the live group has not committed yet.
    pub live_lag: Option<u64>,
    pub held: Option<Held>,
}

impl Snapshot {
    /// The remaining time at the current rate.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let left = self.expected.saturating_sub(self.passed) as f64;
        (self.report.rate > 0.0).then(|| Duration::from_secs_f64((left / self.report.rate).min(1e9)))
    }
}

/// A rate over the last seconds.
#[derive(Debug)]
pub struct Speed {
    since: Instant,
    items: u64,
    rate: f64,
}

/// The length of a measurement.
const WINDOW: Duration = Duration::from_secs(2);

impl Speed {
    pub fn new(now: Instant) -> Self {
        Self { since: now, items: 0, rate: 0.0 }
    }

    /// Counts items; returns the rate of the last complete window, or of the current one if none is complete.
    pub fn count(&mut self, items: u64, now: Instant) -> f64 {
        self.items += items;
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW || (self.rate == 0.0 && !elapsed.is_zero()) {
            self.rate = self.items as f64 / elapsed.as_secs_f64();
        }
        if elapsed >= WINDOW {
            self.since = now;
            self.items = 0;
        }
        self.rate
    }
}
