//! All that is kept of a user: the profile, what was last published of it, and who scored it.

use uuid::Uuid;

use super::profile::Profile;
use super::ranking_change::ChangeBody;
use super::scoring::RankedSegment;

/// The state of a user. The default is that of a user never heard of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub profile: Profile,
    /// What was last published; `None` while nothing ever was.
    pub last_published: Option<ChangeBody>,
    /// The revision of what was last published; 0 while nothing ever was.
    pub revision: i64,
    /// The version of the catalog that scored the row last; 0 where none did.
    pub catalog_version: u32,
    /// The job whose deferred write has not been published yet.
    pub job: Option<Uuid>,
}

impl State {
    /// The ranking published last, best first; empty where none or a tombstone was.
    pub fn last_ranking(&self) -> &[RankedSegment] {
        self.last_published.as_ref().and_then(ChangeBody::ranking).map_or(&[], |new_ranking| &new_ranking.ranking)
    }

    /// The segments of that ranking.
    pub fn published_segments(&self) -> impl Iterator<Item = &str> {
        self.last_ranking().iter().map(|ranked| &*ranked.segment)
    }
}
