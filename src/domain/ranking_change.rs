//! What is published to the recommenders: a user's new ranking against the one published before it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::{Millis, UserId};
use super::scoring::RankedSegment;

/// What made a change of assignment.
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

/// A segment with its score, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredSegment {
    pub segment: Arc<str>,
    pub score: f64,
}

/// Everything that body a ranking once more needs, but for the user and the revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRanking {
    /// The ranking published before this one, best first; empty where nothing or a tombstone was.
    pub previous: Vec<ScoredSegment>,
    /// The ranking said, best first.
    pub ranking: Vec<RankedSegment>,
    pub catalog_version: u32,
    /// The profile's logical time.
    pub occurred_at: Millis,
    pub trigger: Trigger,
    pub causation_id: Option<Arc<str>>,
    pub correlation_id: Option<Arc<str>>,
    pub traceparent: Option<Arc<str>>,
    /// The job that made the change, if one did.
    pub replay_id: Option<Arc<str>>,
}

/// What a record on segment-changed says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ChangeBody {
    /// Shared by the state, the outbox row and the publisher.
    Ranking(Arc<NewRanking>),
    /// The user was erased: a tombstone.
    Tombstone,
}

impl ChangeBody {
    /// The new_ranking of a ranking.
    pub fn ranking(&self) -> Option<&Arc<NewRanking>> {
        match self {
            Self::Ranking(new_ranking) => Some(new_ranking),
            Self::Tombstone => None,
        }
    }
}

/// One thing to publish: it has one event id and is the same for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankingChange {
    pub user: UserId,
    /// Per user, increasing; about the Unix time in ms at which the change was made.
    pub revision: i64,
    pub body: ChangeBody,
}
