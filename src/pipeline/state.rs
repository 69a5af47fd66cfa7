//! All that is kept of a user: the profile, what was last said of it, and who scored it.

use uuid::Uuid;

use super::change::Saying;
use crate::profile::Profile;

/// The state of a user. The default is that of a user never heard of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub profile: Profile,
    /// What was last said; `None` while nothing ever was.
    pub said: Option<Saying>,
    /// The revision of what was last said; 0 while nothing ever was.
    pub revision: i64,
    /// The version of the catalog that scored the row last; 0 where none did.
    pub catalog_version: u32,
    /// The job whose quiet write has not been said yet.
    pub job: Option<Uuid>,
}

impl State {
    /// The segments last said, best first; none where nothing or a null record was.
    pub fn said_segments(&self) -> impl Iterator<Item = &str> {
        let ranking = match &self.said {
            Some(Saying::Ranking(announcement)) => announcement.ranking.as_slice(),
            Some(Saying::Null) | None => &[],
        };
        ranking.iter().map(|assigned| &*assigned.segment)
    }
}
