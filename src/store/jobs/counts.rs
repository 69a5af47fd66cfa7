//! The outcomes of a job's items: each item counts once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::event::Reason;
use crate::domain::profile::Outcome;
use crate::store::task::ItemOutcome;

/// Items by outcome; `items` is their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Records, rows or users taken from the source.
    pub items: u64,
    /// Written.
    pub applied: u64,
    pub unchanged: u64,
    pub stale: u64,
    /// Of another event type, or left out by a filter.
    pub skipped: u64,
    /// Of the skipped: onboarding profiles that are not completed.
    pub not_completed: u64,
    /// Of the skipped: users on a list without an onboarding profile.
    pub without_profile: u64,
    /// Of users that are not in `users`.
    pub unknown_users: u64,
    /// Rejected; dead-lettered if the job writes dead letters.
    pub rejected: u64,
    /// Offsets that retention deleted before they were read; no items.
    pub deleted: u64,
}

impl Counts {
    /// Counts one item that was folded.
    pub fn count(&mut self, outcome: &ItemOutcome) {
        self.items += 1;
        match outcome {
            Ok(Outcome::Applied) => self.applied += 1,
            Ok(Outcome::Unchanged) => self.unchanged += 1,
            Ok(Outcome::Stale) => self.stale += 1,
            Err(rejection) if rejection.reason == Reason::UnknownUser => self.unknown_users += 1,
            Err(_) => self.rejected += 1,
        }
    }

    /// Counts one item that was skipped.
    pub fn skip(&mut self) {
        self.items += 1;
        self.skipped += 1;
    }

    /// Counts one item that was rejected before a fold.
    pub(crate) fn reject(&mut self) {
        self.items += 1;
        self.rejected += 1;
    }

    /// Whether an operator has to look at the result.
    pub fn has_findings(&self) -> bool {
        self.rejected > 0 || self.deleted > 0
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            items: self.items + other.items,
            applied: self.applied + other.applied,
            unchanged: self.unchanged + other.unchanged,
            stale: self.stale + other.stale,
            skipped: self.skipped + other.skipped,
            not_completed: self.not_completed + other.not_completed,
            without_profile: self.without_profile + other.without_profile,
            unknown_users: self.unknown_users + other.unknown_users,
            rejected: self.rejected + other.rejected,
            deleted: self.deleted + other.deleted,
        }
    }

    pub(super) fn to_json(self) -> Value {
        // Numbers under fixed names always serialize.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// A field that another version did not write is 0.
    pub(super) fn from_json(value: Value) -> Self {
        serde_json::from_value(value).unwrap_or_default()
    }
}
