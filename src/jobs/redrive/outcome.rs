//! The outcomes that dead letters would have.

use crate::domain::event::{Reason, Skip};
use crate::domain::profile;
use crate::store::jobs::Counts;

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

    /// Counts one dead letter with this outcome.
    pub(super) fn count(self, counts: &mut Counts) {
        match self {
            Self::Merged(outcome) => counts.count(&Ok(outcome)),
            Self::Skipped(_) => counts.skip(),
            Self::StillRejected(reason) => counts.reject(reason),
            Self::NotRedrivable(why) => counts.leave(why.as_str()),
        }
    }
}
