//! The parameters of a job, stored in its row, so that any process can resume it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::redrive::selection::Filter;
use super::{deferred, users};
use crate::domain::fold::{DeferringJob, JobCause, Publishing};
use crate::domain::ranking_change::Trigger;
use crate::kafka::topic_reader::Span;
use crate::store::jobs::{Counts, Part};
use crate::store::keys::{KeyRange, Keys};

/// The parameters of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The command's arguments as given: a job that is begun again under its id has the same.
    pub asked: serde_json::Value,
    pub emit: Emit,
    /// The approximate number of items at the start.
    pub expected: u64,
    pub what: What,
}

/// Whether a job publishes its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Emit {
    /// Publishes each user whose ranking differs from the last published one: a replay when it ends, the others at once.
    Changed,
    /// Publishes nothing; a later republish does.
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
        /// The catalog to score with; a process with another one cannot resume the job.
        catalog_version: u32,
    },
    Republish(RepublishUsers),
    Redrive(Redrive),
}

/// The onboarding profiles to fold; always only completed ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackfillUsers {
    /// Of users without segments or without a primary segment.
    Missing,
    /// Of users with a row in user_vectors.
    Existing,
    All,
    /// Of the users on the job's list.
    Listed,
}

/// The stored profiles to score again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecomputeUsers {
    /// Those that were scored with another version of the catalog.
    Stale,
    /// Those with this primary segment.
    Segment(String),
    Listed,
    All,
    /// Those whose row differs from the one that the state gives.
    Repair,
}

/// The users to publish again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RepublishUsers {
    All,
    Segment(String),
    Listed,
    /// Those that segment-changed is ahead of.
    TopicAhead,
}

/// The records to replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    pub ranges: Vec<Range>,
    /// Only events of these users; empty means all.
    pub users: Vec<String>,
    /// Whether rejected records are dead-lettered, or only counted.
    pub dead_letters: bool,
}

/// The dead letters to process once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Redrive {
    /// All of the dead-letter topic, as it was at the start.
    pub ranges: Vec<Range>,
    pub filter: Filter,
    /// A dead letter with this many attempts is not tried again.
    pub max_attempts: u32,
    /// The maximum number of dead letters.
    pub limit: Option<u64>,
}

/// Offsets of one partition, from `first` up to `end`, exclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    pub topic: String,
    pub partition: i32,
    pub first: i64,
    pub end: i64,
}

impl Range {
    /// The offsets of `topic` that `span` has.
    pub fn of(topic: &str, Span { partition, first, end }: Span) -> Self {
        Self { topic: topic.to_owned(), partition, first, end }
    }

    /// The name of its part of the job.
    pub fn part(&self) -> String {
        format!("{}/{}", self.topic, self.partition)
    }

    /// The number of its offsets; it may hold fewer records.
    pub fn len(&self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.first)).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&Range> for Span {
    fn from(range: &Range) -> Self {
        Self { partition: range.partition, first: range.first, end: range.end }
    }
}

impl Spec {
    /// The parts of a new job: those of its work, one a range of offsets or users, and the publishing of what it defers.
    pub fn parts(&self, ranges: Vec<KeyRange>) -> Vec<Part> {
        let part = |name: &str, position: String, until| Part {
            name: name.to_owned(),
            position,
            until,
            done: false,
            counts: Counts::default(),
        };
        let of_offsets = |range: &Range| part(&range.part(), range.first.to_string(), Some(range.end.to_string()));
        let of_users = |(number, range): (usize, KeyRange)| part(&users::part(number), range.after, range.until);
        let mut parts: Vec<Part> = match self.what.ranges() {
            Some(offsets) => offsets.iter().map(of_offsets).collect(),
            None => ranges.into_iter().enumerate().map(of_users).collect(),
        };
        if self.publishes_at_end() {
            parts.push(part(deferred::PART, String::new(), None));
        }
        parts
    }

    /// Whether the job defers its changes and publishes them when it ends: a replay meets a user many times.
    pub(crate) fn publishes_at_end(&self) -> bool {
        self.emit == Emit::Changed && matches!(self.what, What::Replay(_))
    }

    /// When the changes of the job `id` are published.
    pub(crate) fn publishing(&self, id: Uuid) -> Publishing {
        match (self.emit, &self.what) {
            // A redriven event is published as the live service would have published it.
            (_, What::Republish(_) | What::Redrive(_)) => Publishing::Immediate,
            (Emit::Changed, What::Backfill(_) | What::Recompute { .. }) => {
                Publishing::ImmediateOfJob(JobCause { id, trigger: self.what.trigger() })
            }
            (emit, _) => Publishing::Deferred(DeferringJob { id, publishes_at_end: emit == Emit::Changed }),
        }
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
            Self::Redrive(_) => "redrive",
        }
    }

    /// The offsets that the job reads; `None` for a job on users.
    pub fn ranges(&self) -> Option<&[Range]> {
        match self {
            Self::Replay(Replay { ranges, .. }) | Self::Redrive(Redrive { ranges, .. }) => Some(ranges),
            Self::Backfill(_) | Self::Recompute { .. } | Self::Republish(_) => None,
        }
    }

    /// The trigger of the changes that it makes as a job.
    pub fn trigger(&self) -> Trigger {
        match self {
            Self::Replay(_) | Self::Redrive(_) => Trigger::Replay,
            Self::Backfill(_) => Trigger::Backfill,
            Self::Recompute { .. } | Self::Republish(_) => Trigger::Recompute,
        }
    }

    /// The users that the job works through; `job` is its id. `None` for a job on topics, or on users that a topic shows.
    pub fn keys(&self, job: Uuid) -> Option<Keys> {
        match self {
            Self::Replay(_) | Self::Redrive(_) | Self::Republish(RepublishUsers::TopicAhead) => None,
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
