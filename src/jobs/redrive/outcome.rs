//! The outcomes that dead letters would have, one by one and counted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::selection::Selected;
use crate::domain::event::{Reason, Skip};
use crate::domain::profile;

/// Why a dead letter is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRedrivable {
    /// Its value is incomplete.
    Truncated,
    /// It has been tried the maximum number of times.
    AttemptsExhausted,
    /// Its original topic is not a configured input topic.
    UnknownTopic,
}

impl NotRedrivable {
    /// The stable name used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::UnknownTopic => "unknown_topic",
        }
    }
}

/// The outcome that a dead letter would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedriveOutcome {
    Merged(profile::Outcome),
    Skipped(Skip),
    StillRejected(Reason),
    NotRedrivable(NotRedrivable),
}

impl RedriveOutcome {
    /// The outcome and its reason, if it has one.
    pub fn names(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Merged(profile::Outcome::Applied) => ("applied", None),
            Self::Merged(profile::Outcome::Unchanged) => ("unchanged", None),
            Self::Merged(profile::Outcome::Stale) => ("stale", None),
            Self::Skipped(skip) => ("skipped", Some(skip.as_str())),
            Self::StillRejected(reason) => ("still_rejected", Some(reason.as_str())),
            Self::NotRedrivable(why) => ("not_redrivable", Some(why.as_str())),
        }
    }
}

/// The counts by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Distinct records that the filter selected.
    #[serde(rename = "records")]
    pub considered: u64,
    /// Their older dead letters, which the considered one supersedes.
    #[serde(rename = "supersededDeadLetters")]
    pub superseded: u64,
    pub applied: u64,
    pub unchanged: u64,
    pub stale: u64,
    pub skipped: u64,
    /// By reason.
    pub still_rejected: BTreeMap<&'static str, u64>,
    pub not_redrivable: BTreeMap<&'static str, u64>,
    /// Ranking changes that would be made.
    #[serde(rename = "segmentChanges")]
    pub changes: u64,
}

impl Tally {
    pub fn count(&mut self, selected: &Selected, outcome: RedriveOutcome) {
        self.considered += 1;
        self.superseded += u64::from(selected.times.saturating_sub(1));
        match outcome {
            RedriveOutcome::Merged(profile::Outcome::Applied) => self.applied += 1,
            RedriveOutcome::Merged(profile::Outcome::Unchanged) => self.unchanged += 1,
            RedriveOutcome::Merged(profile::Outcome::Stale) => self.stale += 1,
            RedriveOutcome::Skipped(_) => self.skipped += 1,
            RedriveOutcome::StillRejected(reason) => *self.still_rejected.entry(reason.as_str()).or_default() += 1,
            RedriveOutcome::NotRedrivable(why) => *self.not_redrivable.entry(why.as_str()).or_default() += 1,
        }
    }

    /// Whether every considered dead letter is resolved.
    pub(crate) fn is_clean(&self) -> bool {
        self.still_rejected.is_empty() && self.not_redrivable.is_empty()
    }
}
