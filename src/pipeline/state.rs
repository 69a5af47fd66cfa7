//! All that is kept of a user: the profile, what was last said of it, and who scored it.

use uuid::Uuid;

use super::change::Saying;
use super::codec::CodecError;
use super::kept_announcement::KeptAnnouncement;
use crate::profile::Profile;

/// What was last said of a user, as the state keeps it.
#[derive(Debug, Clone, PartialEq)]
pub enum LastSaid {
    Ranking(KeptAnnouncement),
    /// A null record.
    Null,
}

impl LastSaid {
    /// The announcement, if a ranking was said.
    pub fn announcement(&self) -> Option<&KeptAnnouncement> {
        match self {
            Self::Ranking(kept) => Some(kept),
            Self::Null => None,
        }
    }

    /// What would be said to say it again.
    ///
    /// # Errors
    /// As [`KeptAnnouncement::read`].
    pub fn saying(&self) -> Result<Saying, CodecError> {
        Ok(match self {
            Self::Ranking(kept) => Saying::Ranking(kept.announced()?),
            Self::Null => Saying::Null,
        })
    }
}

impl From<&Saying> for LastSaid {
    fn from(saying: &Saying) -> Self {
        match saying {
            Saying::Ranking(announced) => Self::Ranking(announced.kept().clone()),
            Saying::Null => Self::Null,
        }
    }
}

/// The state of a user. The default is that of a user never heard of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub profile: Profile,
    /// What was last said; `None` while nothing ever was.
    pub said: Option<LastSaid>,
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
        let announcement = self.said.as_ref().and_then(LastSaid::announcement);
        announcement.into_iter().flat_map(KeptAnnouncement::ranking).map(|(segment, _)| segment)
    }
}
