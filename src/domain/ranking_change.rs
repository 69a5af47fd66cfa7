//! A change to publish on segment-changed: a user's new and previous ranking, or a tombstone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::{Millis, UserId};
use super::scoring::RankedSegment;

/// The cause of a new ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trigger {
    Onboarding,
    ProfileUpdate,
    Replay,
    Backfill,
    Recompute,
}

impl Trigger {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Onboarding => "ONBOARDING",
            Self::ProfileUpdate => "PROFILE_UPDATE",
            Self::Replay => "REPLAY",
            Self::Backfill => "BACKFILL",
            Self::Recompute => "RECOMPUTE",
        }
    }
}

/// A segment of the ranking published before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PreviousSegment)]
pub struct ScoredSegment {
    /// The segment's name in the catalog.
    pub segment: Arc<str>,
    /// 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub score: f64,
}

/// A new ranking with its cause: all of a change but the user and the revision, so that the change can be published again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRanking {
    /// The ranking published before this one, best first; empty if that was a tombstone or if there was none.
    pub previous: Vec<ScoredSegment>,
    /// The new ranking, best first.
    pub ranking: Vec<RankedSegment>,
    pub catalog_version: u32,
    /// The profile's logical time.
    pub occurred_at: Millis,
    pub trigger: Trigger,
    pub causation_id: Option<Arc<str>>,
    pub correlation_id: Option<Arc<str>>,
    pub traceparent: Option<Arc<str>>,
    /// The job that caused the change, if a job did.
    pub replay_id: Option<Arc<str>>,
}

/// The body of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ChangeBody {
    /// Shared by the state, the outbox row and the publisher.
    Ranking(Arc<NewRanking>),
    /// The user was erased, or deleted on the platform: a tombstone.
    Tombstone {
        /// The time of the erasure; `None` for a delete on the platform.
        erased_at: Option<Millis>,
    },
}

impl ChangeBody {
    /// The new ranking; `None` for a tombstone.
    pub fn ranking(&self) -> Option<&Arc<NewRanking>> {
        match self {
            Self::Ranking(new_ranking) => Some(new_ranking),
            Self::Tombstone { .. } => None,
        }
    }
}

/// A change to publish. It has one event id and never changes: publishing it again repeats it byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankingChange {
    pub user: UserId,
    /// Increases with each change of the user; close to the Unix time in ms at which the change was made.
    pub revision: i64,
    pub body: ChangeBody,
}
