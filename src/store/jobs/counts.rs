//! The outcomes of a job's items: each item counts once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::event::Reason;
use crate::domain::profile::Outcome;
use crate::store::task::ItemOutcome;

/// Items by outcome; `items` is their sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Records, rows or users taken from the source.
    #[schema(required)]
    pub items: u64,
    /// Written.
    #[schema(required)]
    pub applied: u64,
    #[schema(required)]
    pub unchanged: u64,
    #[schema(required)]
    pub stale: u64,
    /// Of another event type, or left out by a filter.
    #[schema(required)]
    pub skipped: u64,
    /// Of the skipped: onboarding profiles that are not completed.
    #[schema(required)]
    pub not_completed: u64,
    /// Of the skipped: users on a list without an onboarding profile.
    #[schema(required)]
    pub without_profile: u64,
    /// Of users that are not in `users`.
    #[schema(required)]
    pub unknown_users: u64,
    /// Rejected; dead-lettered if the job writes dead letters.
    #[schema(required)]
    pub rejected: u64,
    /// Of the rejected.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// Dead letters that cannot be redriven, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub not_redrivable: BTreeMap<String, u64>,
    /// Offsets that retention deleted before they were read; no items.
    #[schema(required)]
    pub deleted: u64,
}

impl Counts {
    /// Counts one item that was folded.
    pub fn count(&mut self, outcome: &ItemOutcome) {
        match outcome {
            Ok(Outcome::Applied) => self.applied += 1,
            Ok(Outcome::Unchanged) => self.unchanged += 1,
            Ok(Outcome::Stale) => self.stale += 1,
            Err(rejection) if rejection.reason == Reason::UnknownUser => self.unknown_users += 1,
            Err(rejection) => return self.reject(rejection.reason),
        }
        self.items += 1;
    }

    /// Counts one item that was skipped.
    pub fn skip(&mut self) {
        self.items += 1;
        self.skipped += 1;
    }

    /// Counts one item that was rejected.
    pub(crate) fn reject(&mut self, reason: Reason) {
        self.items += 1;
        self.rejected += 1;
        *self.rejected_by_reason.entry(reason.as_str().to_owned()).or_default() += 1;
    }

    /// Counts one dead letter that cannot be redriven.
    pub(crate) fn leave(&mut self, why: &str) {
        self.items += 1;
        *self.not_redrivable.entry(why.to_owned()).or_default() += 1;
    }

    /// Whether an operator has to look at the result.
    pub fn has_findings(&self) -> bool {
        self.rejected > 0 || self.deleted > 0 || !self.not_redrivable.is_empty()
    }

    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.items += other.items;
        self.applied += other.applied;
        self.unchanged += other.unchanged;
        self.stale += other.stale;
        self.skipped += other.skipped;
        self.not_completed += other.not_completed;
        self.without_profile += other.without_profile;
        self.unknown_users += other.unknown_users;
        self.rejected += other.rejected;
        add(&mut self.rejected_by_reason, &other.rejected_by_reason);
        add(&mut self.not_redrivable, &other.not_redrivable);
        self.deleted += other.deleted;
        self
    }

    pub(super) fn to_json(&self) -> Value {
        // Numbers under fixed names always serialize.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// A field that another version did not write is 0.
    pub(super) fn from_json(value: Value) -> Self {
        serde_json::from_value(value).unwrap_or_default()
    }
}

fn add(to: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    for (reason, items) in more {
        *to.entry(reason.clone()).or_default() += items;
    }
}
