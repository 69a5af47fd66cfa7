//! An announcement as it is stored. It is gone over when it comes from the database, and written back as it came: folding an
//! event needs no more of it than the segments said before and their scores.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::change::{Announced, Announcement, Ranked, Trigger};
use super::codec::{self, CodecError};
use crate::engine::Reasons;
use crate::profile::skim::{ListOf, Word};

/// An [`Announcement`] in postcard's encoding, all of which can be read. Cheap to clone.
#[derive(Clone, PartialEq)]
pub struct KeptAnnouncement(Arc<[u8]>);

impl KeptAnnouncement {
    /// The stored form of `announcement`.
    pub fn of(announcement: &Announcement) -> Self {
        Self(codec::encoded(announcement).into())
    }

    /// The one at the start of `bytes`, and what comes after it. `None` where the bytes are no announcement.
    pub fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (_, rest) = postcard::take_from_bytes::<Skimmed>(bytes).ok()?;
        let (own, rest) = bytes.split_at_checked(bytes.len() - rest.len())?;
        Some((Self(own.into()), rest))
    }

    /// The bytes that are stored.
    pub fn encoded(&self) -> &[u8] {
        &self.0
    }

    /// The segments said and their scores, best first.
    pub fn ranking(&self) -> impl Iterator<Item = (&str, f64)> {
        let start: Option<Start<'_>> = postcard::take_from_bytes(&self.0).ok().map(|(start, _)| start);
        let ranking = start.map_or_else(Ranked::new, |start| start.ranking);
        ranking.into_iter().map(|(segment, score, _)| (segment, score))
    }

    /// All of it.
    ///
    /// # Errors
    /// Never for what was taken or made here; nothing is to be said that cannot be read.
    pub fn read(&self) -> Result<Announcement, CodecError> {
        postcard::from_bytes(&self.0).map_err(|_| CodecError::Damaged { what: "announcement" })
    }

    /// All of it, to be said again.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn announced(&self) -> Result<Announced, CodecError> {
        Ok(Announced::new(self.read()?, self.clone()))
    }
}

impl fmt::Debug for KeptAnnouncement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(formatter)
    }
}

/// The shape of [`Announcement`] without its content.
#[derive(Deserialize)]
#[expect(dead_code, reason = "fields are what is gone over, nobody looks at them")]
struct Skimmed {
    previous: ListOf<(Word, f64)>,
    ranking: ListOf<(Word, f64, Reasons)>,
    catalog_version: u32,
    occurred_at: i64,
    trigger: Trigger,
    causation_id: Option<Word>,
    correlation_id: Option<Word>,
    traceparent: Option<Word>,
    replay_id: Option<Word>,
}

/// The start of an [`Announcement`], up to its ranking.
#[derive(Deserialize)]
struct Start<'a> {
    #[expect(dead_code, reason = "gone over on the way to the ranking")]
    previous: ListOf<(Word, f64)>,
    #[serde(borrow)]
    ranking: Ranked<(&'a str, f64, ListOf<u8>)>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::change::{Assigned, Scored};
    use super::*;
    use crate::engine::ReasonCode;
    use crate::event::Millis;

    fn any_announcement() -> impl Strategy<Value = Announcement> {
        let segment = || "[A-Z_É]{1,30}";
        let scored = (segment(), 0.0..=1.0).prop_map(|(segment, score)| Scored { segment: segment.into(), score });
        let reasons = prop::collection::vec(prop::sample::select(ReasonCode::ALL.to_vec()), 0..=4);
        let assigned = (segment(), 0.0..=1.0, reasons).prop_map(|(segment, score, reasons)| Assigned {
            segment: segment.into(),
            score,
            reasons: reasons.into_iter().collect(),
        });
        let word = || prop::option::of("\\PC{0,40}".prop_map(Arc::from));
        let names = (word(), word(), word(), word());
        let rankings = (prop::collection::vec(scored, 0..4), prop::collection::vec(assigned, 0..4));
        (rankings, any::<(u32, i64)>(), names).prop_map(|((previous, ranking), (catalog_version, at), names)| {
            Announcement {
                previous: previous.into(),
                ranking: ranking.into(),
                catalog_version,
                occurred_at: Millis(at),
                trigger: Trigger::Recompute,
                causation_id: names.0,
                correlation_id: names.1,
                traceparent: names.2,
                replay_id: names.3,
            }
        })
    }

    proptest! {
        #[test]
        fn an_announcement_is_taken_to_its_end_and_read_as_it_was_kept(
            announcement in any_announcement(), after in any::<Vec<u8>>(),
        ) {
            let mut bytes = KeptAnnouncement::of(&announcement).encoded().to_vec();
            bytes.extend(&after);
            let (kept, rest) = KeptAnnouncement::take(&bytes).unwrap();
            prop_assert_eq!(rest, &after[..]);
            let ranking: Vec<(&str, f64)> =
                announcement.ranking.iter().map(|assigned| (&*assigned.segment, assigned.score)).collect();
            prop_assert_eq!(kept.ranking().collect::<Vec<_>>(), ranking);
            prop_assert_eq!(kept.read().unwrap(), announcement);
        }

        #[test]
        fn what_can_be_taken_can_be_read_and_nothing_else(
            announcement in any_announcement(),
            place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = KeptAnnouncement::of(&announcement).encoded().to_vec();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            bytes.truncate(cut.index(bytes.len()) + 1);
            let read = postcard::take_from_bytes::<Announcement>(&bytes).ok().map(|(read, rest)| (format!("{read:?}"), rest));
            let taken = KeptAnnouncement::take(&bytes);
            let read_later = taken.map(|(kept, rest)| (format!("{:?}", kept.read().unwrap()), rest));
            prop_assert_eq!(read_later, read);
        }
    }
}
