//! The stored, binary form of a user's state and of an outbox row's changes: a version byte, then postcard.
//!
//! What SQL has to see (revision, kind of saying, erasure, catalog version, job) lies in columns of its own and is not
//! repeated here. Stamps are stored once and referred to by number, since one event usually wrote most registers.

use std::ptr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use super::change::{Announcement, Change, Saying};
use super::kept_announcement::KeptAnnouncement;
use super::state::LastSaid;
use crate::event::{Millis, Stamp, UserId};
use crate::profile::Profile;
use crate::profile::held::HeldSection;
use crate::profile::section::SectionKind;
use crate::profile::stored::{self, StoredSections};

const STATE_VERSION: u8 = 1;
const OUTBOX_VERSION: u8 = 1;
/// What a state, an announcement and a change of an outbox row commonly take.
const STATE_BYTES: usize = 1024;
const ANNOUNCEMENT_BYTES: usize = 512;
const CHANGE_BYTES: usize = 512;

/// How postcard writes which variant an option and a saying are.
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
const RANKING: u8 = 0;
const NULL: u8 = 1;

/// The registers and the onboarding have one each, so that its number fits into a byte.
const MOST_STAMPS: usize = SectionKind::COUNT + 1;

/// Why stored bytes could not be read. Names the version, never the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("written in format {found}, newer than the {known} known here")]
    Newer { found: u8, known: u8 },
    #[error("not a stored {what}: damaged or truncated")]
    Damaged { what: &'static str },
}

/// The part of a state that lies in its binary column.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredState {
    /// Registers and onboarding; the erasure lies in a column.
    pub profile: Profile,
    /// The ranking last said, if that was what was last said.
    pub announcement: Option<KeptAnnouncement>,
}

#[derive(Serialize)]
struct StampOut<'a> {
    time: Millis,
    id: &'a str,
    decoder: u16,
}

#[derive(Deserialize)]
struct StampIn {
    time: Millis,
    id: Arc<str>,
    decoder: u16,
}

/// In the order of [`RANKING`] and [`NULL`].
#[derive(Deserialize)]
enum SayingIn {
    Ranking(Box<Announcement>),
    Null,
}

/// The binary column of a state: the stamps; a list of sections, each after its stamp's number; the onboarding's stamp, and
/// what was last said.
pub fn encode_state(profile: &Profile, said: Option<&LastSaid>) -> Vec<u8> {
    let mut stamps: ArrayVec<&Stamp, MOST_STAMPS> = ArrayVec::new();
    let sections: ArrayVec<(u8, HeldSection<'_>), { SectionKind::COUNT }> =
        profile.registers().map(|register| (number_among(&mut stamps, register.stamp), register.section)).collect();
    let onboarded = profile.onboarded().map(|stamp| number_among(&mut stamps, stamp));
    let announcement = said.and_then(LastSaid::announcement).map(KeptAnnouncement::encoded);
    let stamps: ArrayVec<StampOut<'_>, MOST_STAMPS> =
        stamps.iter().map(|stamp| StampOut { time: stamp.time, id: &stamp.id, decoder: stamp.decoder }).collect();
    let mut encoding = Encoding::of_version(STATE_VERSION, STATE_BYTES);
    encoding.put(&stamps).put(&sections.len());
    for (stamp, section) in sections {
        encoding.put(&stamp);
        match section.encoded() {
            Some(encoded) => _ = encoding.put_encoded(encoded),
            None => {
                if let Some(section) = section.get() {
                    encoding.put(section);
                }
            }
        }
    }
    encoding.put(&onboarded).put_optional(announcement);
    encoding.0
}

/// The number of a stamp among those of a state, which takes it in if it is new.
fn number_among<'p>(stamps: &mut ArrayVec<&'p Stamp, MOST_STAMPS>, stamp: &'p Stamp) -> u8 {
    // Most registers share one, and need no look at its id.
    let is_same = |held: &&Stamp| ptr::eq(*held, stamp) || *held == stamp;
    let number = stamps.iter().position(is_same).unwrap_or_else(|| {
        stamps.push(stamp);
        stamps.len() - 1
    });
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// Reads a state's binary column. Its sections are gone over, and read when somebody looks into them.
pub fn decode_state(bytes: &[u8]) -> Result<StoredState, CodecError> {
    const DAMAGED: CodecError = CodecError::Damaged { what: "state" };
    let body = body(STATE_VERSION, bytes, "state")?;
    let (stamps, rest): (ArrayVec<StampIn, MOST_STAMPS>, _) = take(body).ok_or(DAMAGED)?;
    let (count, sections): (usize, &[u8]) = take(rest).ok_or(DAMAGED)?;
    let mut rest = sections;
    let (mut numbers, mut places) = (ArrayVec::<u8, { SectionKind::COUNT }>::new(), ArrayVec::new());
    for _ in 0..count {
        let (number, section) = rest.split_first().ok_or(DAMAGED)?;
        let (kind, after) = stored::skim(section).ok_or(DAMAGED)?;
        let place = sections.len() - section.len()..sections.len() - after.len();
        numbers.try_push(*number).map_err(|_| DAMAGED)?;
        places.try_push((kind, place)).map_err(|_| DAMAGED)?;
        rest = after;
    }
    // What comes behind the sections is not kept with them.
    let (sections, _) = sections.split_at_checked(sections.len() - rest.len()).ok_or(DAMAGED)?;
    let (onboarded, rest): (Option<u8>, _) = take(rest).ok_or(DAMAGED)?;
    let announcement = match rest.split_first().ok_or(DAMAGED)? {
        (&ABSENT, _) => None,
        (&PRESENT, announcement) => Some(KeptAnnouncement::take(announcement).ok_or(DAMAGED)?.0),
        _ => return Err(DAMAGED),
    };

    let stamps: ArrayVec<Stamp, MOST_STAMPS> =
        stamps.into_iter().map(|stamp| Stamp { time: stamp.time, id: stamp.id, decoder: stamp.decoder }).collect();
    let onboarded = onboarded.map(|number| stamps.get(usize::from(number)).cloned().ok_or(DAMAGED)).transpose()?;
    let sections = StoredSections::new(sections, places);
    let profile = Profile::of_stored(sections, stamps, numbers, onboarded).ok_or(DAMAGED)?;
    Ok(StoredState { profile, announcement })
}

/// The body of an outbox row: a list of changes, each a user, a revision and what is said.
pub fn encode_changes(changes: &[Change]) -> Vec<u8> {
    let mut encoding = Encoding::of_version(OUTBOX_VERSION, changes.len() * CHANGE_BYTES);
    encoding.put(&changes.len());
    for change in changes {
        encoding.put(change.user.as_str()).put(&change.revision);
        match &change.saying {
            Saying::Ranking(announced) => encoding.put_encoded(&[RANKING]).put_encoded(announced.kept().encoded()),
            Saying::Null => encoding.put_encoded(&[NULL]),
        };
    }
    encoding.0
}

/// Reads the body of an outbox row.
pub fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>, CodecError> {
    const DAMAGED: CodecError = CodecError::Damaged { what: "outbox row" };
    let (changes, _): (Vec<(Box<str>, i64, SayingIn)>, _) =
        take(body(OUTBOX_VERSION, bytes, "outbox row")?).ok_or(DAMAGED)?;
    changes
        .into_iter()
        .map(|(user, revision, saying)| {
            let saying = match saying {
                SayingIn::Ranking(announcement) => Saying::Ranking((*announcement).into()),
                SayingIn::Null => Saying::Null,
            };
            Ok(Change { user: UserId::new(&user).ok_or(DAMAGED)?, revision, saying })
        })
        .collect()
}

/// A value by itself, without a version.
pub(super) fn encoded(value: &impl Serialize) -> Vec<u8> {
    let mut encoding = Encoding(Vec::with_capacity(ANNOUNCEMENT_BYTES));
    encoding.put(value);
    encoding.0
}

/// What is encoded so far.
struct Encoding(Vec<u8>);

impl Encoding {
    fn of_version(version: u8, common_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(common_bytes);
        bytes.push(version);
        Self(bytes)
    }

    fn put(&mut self, value: &(impl Serialize + ?Sized)) -> &mut Self {
        // Writing plain structs into memory has no way to fail; what is missing would be read back as damaged.
        let _ = postcard::serialize_with_flavor(value, Behind(&mut self.0));
        self
    }

    fn put_encoded(&mut self, encoded: &[u8]) -> &mut Self {
        self.0.extend_from_slice(encoded);
        self
    }

    fn put_optional(&mut self, encoded: Option<&[u8]>) -> &mut Self {
        match encoded {
            Some(encoded) => self.put_encoded(&[PRESENT]).put_encoded(encoded),
            None => self.put_encoded(&[ABSENT]),
        }
    }
}

/// Where postcard writes: behind what is there.
struct Behind<'a>(&'a mut Vec<u8>);

impl Flavor for Behind<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// What stands behind the version, if that is known.
fn body<'a>(known: u8, bytes: &'a [u8], what: &'static str) -> Result<&'a [u8], CodecError> {
    match bytes.split_first() {
        Some((found, rest)) if *found == known => Ok(rest),
        Some((found, _)) if *found > known => Err(CodecError::Newer { found: *found, known }),
        Some(_) | None => Err(CodecError::Damaged { what }),
    }
}

/// The value at the start of `bytes`, and what comes after it.
fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<(T, &'a [u8])> {
    postcard::take_from_bytes(bytes).ok()
}
