//! What was asked for: kept in the job's row, so that any process can take the job up.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{deferred, users};
use crate::domain::ranking_change::Trigger;
use crate::store::jobs::{Counts, Part};
use crate::store::keys::Keys;

/// A job as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    pub emit: Emit,
    /// About how many items there were to work through at the start; none may turn out to be left.
    pub expected: u64,
    pub what: What,
}

/// Whether the end of a job says what the job has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Emit {
    /// The net change of each user whose ranking is not the one published last.
    Changed,
    /// Nothing: a later republish does.
    None,
}

/// The kinds of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    Replay(Replay),
    Backfill(BackfillUsers),
    #[serde(rename_all = "camelCase")]
    Recompute {
        which: RecomputeUsers,
        /// The catalog to score with; a process that has another one may not take the job up.
        catalog_version: u32,
    },
    Republish(RepublishUsers),
}

/// Which onboarding profiles; only completed ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackfillUsers {
    /// Of users without segments or without a primary segment.
    Missing,
    /// Of users who have a vector.
    Existing,
    All,
    /// Of those on the job's list.
    Listed,
}

/// Which stored profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecomputeUsers {
    /// Scored with another version of the catalog.
    Stale,
    /// Those whose primary segment is this.
    Segment(String),
    Listed,
    All,
    /// Those whose row is not what the state gives.
    Repair,
}

/// Of whom to publish again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RepublishUsers {
    All,
    Segment(String),
    Listed,
}

/// Records of input topics once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    pub ranges: Vec<Range>,
    /// Only events of these users; all, if there are none.
    pub users: Vec<String>,
    /// Whether rejected records become dead letters, not only numbers.
    pub dead_letters: bool,
    /// Whether to go on where retention has cut into what was asked for.
    pub accept_gap: bool,
}

/// Offsets of one partition, from `first` on, before `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    pub topic: String,
    pub partition: i32,
    pub first: i64,
    pub end: i64,
}

impl Range {
    /// The name of the part of the job that this is.
    pub fn part(&self) -> String {
        format!("{}/{}", self.topic, self.partition)
    }

    /// How many offsets it has; records may be fewer.
    pub fn len(&self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.first)).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Spec {
    /// The parts that a job starts with: those of its work, and its end.
    pub fn parts(&self) -> Vec<Part> {
        let part = |name: &str, position: String, until| Part {
            name: name.to_owned(),
            position,
            until,
            done: false,
            counts: Counts::default(),
        };
        let of_range = |range: &Range| part(&range.part(), range.first.to_string(), Some(range.end.to_string()));
        let mut parts = match &self.what {
            What::Replay(replay) => replay.ranges.iter().map(of_range).collect(),
            What::Backfill(_) | What::Recompute { .. } | What::Republish(_) => {
                vec![part(users::PART, String::new(), None)]
            }
        };
        if self.emit == Emit::Changed {
            parts.push(part(deferred::PART, String::new(), None));
        }
        parts
    }
}

impl What {
    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Replay(_) => "replay",
            Self::Backfill(_) => "backfill",
            Self::Recompute { .. } => "recompute",
            Self::Republish(_) => "republish",
        }
    }

    /// What a change that comes of it is put down to.
    pub fn trigger(&self) -> Trigger {
        match self {
            Self::Replay(_) => Trigger::Replay,
            Self::Backfill(_) => Trigger::Backfill,
            Self::Recompute { .. } | Self::Republish(_) => Trigger::Recompute,
        }
    }

    /// Whether what it changes is published at once: what asks to publish again does.
    pub fn is_immediate(&self) -> bool {
        matches!(self, Self::Republish(_))
    }

    /// The users that the job works through, `job` being its id; nothing for a job on topics.
    pub fn keys(&self, job: Uuid) -> Option<Keys> {
        match self {
            Self::Replay(_) => None,
            Self::Backfill(BackfillUsers::Listed)
            | Self::Recompute { which: RecomputeUsers::Listed, .. }
            | Self::Republish(RepublishUsers::Listed) => Some(Keys::ListOf(job)),
            Self::Backfill(_) => Some(Keys::OnboardingProfiles),
            Self::Recompute { which: RecomputeUsers::Segment(segment), .. }
            | Self::Republish(RepublishUsers::Segment(segment)) => Some(Keys::Segment(segment.clone())),
            Self::Recompute { .. } | Self::Republish(_) => Some(Keys::States),
        }
    }
}
