//! The stored state of a user: the profile, the last published change, and the catalog version that scored it.

use uuid::Uuid;

use super::profile::Profile;
use super::ranking_change::ChangeBody;
use super::scoring::RankedSegment;

/// The state of a user. The default is the state of an unknown user.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub profile: Profile,
    /// The body of the last published change; `None` if there was none.
    pub last_published: Option<ChangeBody>,
    /// The revision of the last published change; 0 if there was none.
    pub revision: i64,
    /// The version of the catalog that scored the user last; 0 if none did.
    pub catalog_version: u32,
    /// The job whose deferred change has not been published yet.
    pub job: Option<Uuid>,
}

impl State {
    /// The last published ranking, best first; empty if a tombstone was published last, or nothing.
    pub fn last_ranking(&self) -> &[RankedSegment] {
        self.last_published.as_ref().and_then(ChangeBody::ranking).map_or(&[], |new_ranking| &new_ranking.ranking)
    }

    /// The segments of that ranking.
    pub fn published_segments(&self) -> impl Iterator<Item = &str> {
        self.last_ranking().iter().map(|ranked| &*ranked.segment)
    }
}
