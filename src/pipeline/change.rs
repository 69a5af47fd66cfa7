//! What is said to the recommenders: a user's new ranking against the one said before it.

use std::ops::Deref;
use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::kept_announcement::KeptAnnouncement;
use crate::engine::Reasons;
use crate::event::{Millis, UserId};

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
pub struct Scored {
    pub segment: CompactString,
    pub score: f64,
}

/// A segment with its score and the reasons for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assigned {
    pub segment: CompactString,
    pub score: f64,
    pub reasons: Reasons,
}

/// A list of segments, of which the built-in catalog assigns three at most: those lie in place.
pub type Ranked<T> = SmallVec<[T; 3]>;

/// Everything that saying a ranking once more needs, but for the user and the revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// The ranking said before this one, best first; empty where nothing or a null record was.
    pub previous: Ranked<Scored>,
    /// The ranking said, best first.
    pub ranking: Ranked<Assigned>,
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

/// An announcement together with its stored form, which the state and the outbox row both get. Shared by all who have it.
#[derive(Debug, Clone)]
pub struct Announced {
    announcement: Arc<Announcement>,
    kept: KeptAnnouncement,
    ranking_json: Option<Arc<str>>,
}

impl Announced {
    /// An announcement with what is known to be its stored form.
    pub(super) fn new(announcement: Announcement, kept: KeptAnnouncement) -> Self {
        Self { announcement: Arc::new(announcement), kept, ranking_json: None }
    }

    /// The same with its ranking as JSON, which the user's row has too: making it once more would take as long.
    pub(super) fn with_ranking_json(self, ranking_json: Arc<str>) -> Self {
        Self { ranking_json: Some(ranking_json), ..self }
    }

    /// The ranking as JSON, if it is at hand.
    pub fn ranking_json(&self) -> Option<&str> {
        self.ranking_json.as_deref()
    }

    /// The stored form.
    pub fn kept(&self) -> &KeptAnnouncement {
        &self.kept
    }
}

impl From<Announcement> for Announced {
    fn from(announcement: Announcement) -> Self {
        let kept = KeptAnnouncement::of(&announcement);
        Self::new(announcement, kept)
    }
}

impl PartialEq for Announced {
    /// Whether the same is said; the JSON follows from it.
    fn eq(&self, other: &Self) -> bool {
        self.announcement == other.announcement && self.kept == other.kept
    }
}

impl Deref for Announced {
    type Target = Announcement;

    fn deref(&self) -> &Announcement {
        &self.announcement
    }
}

/// What a record on segment-changed says.
#[derive(Debug, Clone, PartialEq)]
pub enum Saying {
    Ranking(Announced),
    /// The user was erased: a null record.
    Null,
}

/// One thing to say: it has one event id and is the same for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub user: UserId,
    /// Per user, increasing; about the Unix time in ms at which the change was made.
    pub revision: i64,
    pub saying: Saying,
}
