//! The stored, binary form of a user's state and of an outbox row's changes: a version byte, then postcard.
//!
//! What SQL has to see (revision, kind of saying, erasure, catalog version, job) lies in columns of its own and is not
//! repeated here. Stamps are stored once and referred to by number, since one event usually wrote most registers.

use std::sync::Arc;

use arrayvec::ArrayVec;
use serde::{Deserialize, Serialize};

use super::change::{Announcement, Change, Saying};
use crate::event::{Millis, Stamp, UserId};
use crate::profile::held::HeldSection;
use crate::profile::section::{Section, SectionKind};
use crate::profile::{Profile, Register};

const STATE_VERSION: u8 = 1;
const OUTBOX_VERSION: u8 = 1;
/// What a state commonly takes.
const COMMON_BYTES: usize = 1024;

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
    pub registers: Vec<Register>,
    pub onboarded: Option<Stamp>,
    /// The ranking last said, if that was what was last said.
    pub announcement: Option<Arc<Announcement>>,
}

#[derive(Serialize)]
struct StateOut<'a> {
    stamps: ArrayVec<StampOut<'a>, MOST_STAMPS>,
    sections: ArrayVec<(u8, &'a Section), { SectionKind::COUNT }>,
    onboarded: Option<u8>,
    announcement: Option<&'a Announcement>,
}

#[derive(Serialize)]
struct StampOut<'a> {
    time: Millis,
    id: &'a str,
    decoder: u16,
}

#[derive(Deserialize)]
struct StateIn {
    stamps: Vec<StampIn>,
    sections: Vec<(u8, Section)>,
    onboarded: Option<u8>,
    announcement: Option<Arc<Announcement>>,
}

#[derive(Deserialize)]
struct StampIn {
    time: Millis,
    id: Arc<str>,
    decoder: u16,
}

/// The binary column of a state.
pub fn encode_state(profile: &Profile, said: Option<&Saying>) -> Vec<u8> {
    let mut stamps: ArrayVec<&Stamp, MOST_STAMPS> = ArrayVec::new();
    let mut number_of = |stamp| {
        let position = stamps.iter().position(|held| *held == stamp).unwrap_or_else(|| {
            stamps.push(stamp);
            stamps.len() - 1
        });
        u8::try_from(position).unwrap_or(u8::MAX)
    };
    let sections = profile.registers().map(|register| (number_of(&register.stamp), &*register.section)).collect();
    let onboarded = profile.onboarded().map(&mut number_of);
    let announcement = match said {
        Some(Saying::Ranking(announcement)) => Some(&**announcement),
        Some(Saying::Null) | None => None,
    };
    let stamps =
        stamps.iter().map(|stamp| StampOut { time: stamp.time, id: &stamp.id, decoder: stamp.decoder }).collect();
    encode(STATE_VERSION, &StateOut { stamps, sections, onboarded, announcement })
}

/// Reads a state's binary column.
pub fn decode_state(bytes: &[u8]) -> Result<StoredState, CodecError> {
    const DAMAGED: CodecError = CodecError::Damaged { what: "state" };
    let stored: StateIn = decode(STATE_VERSION, bytes, "state")?;
    let stamps: Vec<Stamp> = stored
        .stamps
        .into_iter()
        .map(|stamp| Stamp { time: stamp.time, id: stamp.id, decoder: stamp.decoder })
        .collect();
    let stamp = |number: u8| stamps.get(usize::from(number)).cloned().ok_or(DAMAGED);
    let (numbers, sections): (Vec<u8>, Vec<Section>) = stored.sections.into_iter().unzip();
    let registers = numbers
        .into_iter()
        .zip(HeldSection::each_of(sections.into()))
        .map(|(number, section)| Ok(Register { stamp: stamp(number)?, section }))
        .collect::<Result<_, CodecError>>()?;
    Ok(StoredState {
        registers,
        onboarded: stored.onboarded.map(stamp).transpose()?,
        announcement: stored.announcement,
    })
}

/// The body of an outbox row.
pub fn encode_changes<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<u8> {
    let changes: Vec<(&str, i64, &Saying)> =
        changes.into_iter().map(|change| (change.user.as_str(), change.revision, &change.saying)).collect();
    encode(OUTBOX_VERSION, &changes)
}

/// Reads the body of an outbox row.
pub fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>, CodecError> {
    let changes: Vec<(Box<str>, i64, Saying)> = decode(OUTBOX_VERSION, bytes, "outbox row")?;
    changes
        .into_iter()
        .map(|(user, revision, saying)| {
            let user = UserId::new(&user).ok_or(CodecError::Damaged { what: "outbox row" })?;
            Ok(Change { user, revision, saying })
        })
        .collect()
}

fn encode(version: u8, value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(COMMON_BYTES);
    bytes.push(version);
    // Writing plain structs into memory has no way to fail; an empty result would be read back as damaged.
    postcard::to_extend(value, bytes).unwrap_or_default()
}

fn decode<'a, T: Deserialize<'a>>(known: u8, bytes: &'a [u8], what: &'static str) -> Result<T, CodecError> {
    match bytes.split_first() {
        Some((found, rest)) if *found == known => postcard::from_bytes(rest).map_err(|_| CodecError::Damaged { what }),
        Some((found, _)) if *found > known => Err(CodecError::Newer { found: *found, known }),
        Some(_) | None => Err(CodecError::Damaged { what }),
    }
}
