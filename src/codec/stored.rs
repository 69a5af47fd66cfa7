//! The stored, binary form of a user's state and of an outbox row's changes: a version byte, then postcard.
//!
//! Revision, kind of the last published record, erasure, catalog version and job have columns of their own, since SQL reads
//! them; they are not repeated here. Each stamp is stored once and referred to by number, since one event usually wrote most
//! registers.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::event::Stamp;
use crate::domain::profile::{Profile, Register};
use crate::domain::ranking_change::{ChangeBody, NewRanking, RankingChange};
use crate::domain::section::{Section, SectionKind};

const STATE_VERSION: u8 = 1;
const OUTBOX_VERSION: u8 = 1;

/// Registers and onboarding have one each, so that a stamp's number fits into a byte.
const MOST_STAMPS: usize = SectionKind::COUNT + 1;

/// Why stored bytes cannot be read. Names the version, never the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("written in format {found}, newer than the {known} known here")]
    Newer { found: u8, known: u8 },
    #[error("not a stored {what}: damaged or truncated")]
    Damaged { what: &'static str },
}

/// A value could not be encoded, which is a defect of this program. Names the kind of value, never the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} could not be encoded")]
pub struct EncodingError {
    pub what: &'static str,
}

/// The part of a state that its binary column holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredState {
    /// Registers and onboarding; the erasure has a column of its own.
    pub profile: Profile,
    /// The last published ranking; `None` if a tombstone was published last, or nothing.
    pub new_ranking: Option<Arc<NewRanking>>,
}

/// The fields of a state in their stored order.
#[derive(Serialize, Deserialize)]
struct StateBody<'a> {
    stamps: Vec<Cow<'a, Stamp>>,
    /// Each with the number of its stamp.
    sections: Vec<(u8, Cow<'a, Section>)>,
    /// The number of the onboarding's stamp.
    onboarded: Option<u8>,
    new_ranking: Option<Cow<'a, NewRanking>>,
}

/// The binary column of a state.
///
/// # Errors
/// Only a defect of this program.
pub fn encode_state(profile: &Profile, last_published: Option<&ChangeBody>) -> Result<Vec<u8>, EncodingError> {
    let mut stamps = Vec::with_capacity(MOST_STAMPS);
    let sections = profile
        .registers()
        .map(|register| (number_among(&mut stamps, &register.stamp), Cow::Borrowed(&register.section)))
        .collect();
    let onboarded = profile.onboarded().map(|stamp| number_among(&mut stamps, stamp));
    let new_ranking = last_published.and_then(ChangeBody::ranking).map(|new_ranking| Cow::Borrowed(&**new_ranking));
    encode(STATE_VERSION, &StateBody { stamps, sections, onboarded, new_ranking }, "a state")
}

/// The number of `stamp` in `stamps`, to which it is added if it is new.
fn number_among<'p>(stamps: &mut Vec<Cow<'p, Stamp>>, stamp: &'p Stamp) -> u8 {
    let number = stamps.iter().position(|held| **held == *stamp).unwrap_or_else(|| {
        stamps.push(Cow::Borrowed(stamp));
        stamps.len() - 1
    });
    // At most `MOST_STAMPS`.
    number as u8
}

/// Reads a state's binary column.
///
/// # Errors
/// The bytes are not a state, or have a newer version.
pub fn decode_state(bytes: &[u8]) -> Result<StoredState, CodecError> {
    const DAMAGED: CodecError = CodecError::Damaged { what: "state" };
    let StateBody { stamps, sections, onboarded, new_ranking } = decode(STATE_VERSION, bytes, "state")?;
    if stamps.len() > MOST_STAMPS || sections.len() > SectionKind::COUNT {
        return Err(DAMAGED);
    }
    let stamp = |number: u8| stamps.get(usize::from(number)).map(|stamp| Stamp::clone(stamp)).ok_or(DAMAGED);
    let register = |(number, section): (u8, Cow<'_, Section>)| {
        Ok(Register { stamp: stamp(number)?, section: section.into_owned() })
    };
    let registers = sections.into_iter().map(register).collect::<Result<Vec<_>, _>>()?;
    let onboarded = onboarded.map(stamp).transpose()?;
    let new_ranking = new_ranking.map(|new_ranking| Arc::new(new_ranking.into_owned()));
    Ok(StoredState { profile: Profile::new(registers, onboarded), new_ranking })
}

/// The body of an outbox row.
///
/// # Errors
/// Only a defect of this program.
pub fn encode_changes(changes: &[RankingChange]) -> Result<Vec<u8>, EncodingError> {
    encode(OUTBOX_VERSION, changes, "an outbox row")
}

/// Reads the body of an outbox row.
///
/// # Errors
/// The bytes are not an outbox row, or have a newer version.
pub fn decode_changes(bytes: &[u8]) -> Result<Vec<RankingChange>, CodecError> {
    decode(OUTBOX_VERSION, bytes, "outbox row")
}

fn encode<T: Serialize + ?Sized>(version: u8, value: &T, what: &'static str) -> Result<Vec<u8>, EncodingError> {
    postcard::to_extend(value, vec![version]).map_err(|_| EncodingError { what })
}

fn decode<T: DeserializeOwned>(known: u8, bytes: &[u8], what: &'static str) -> Result<T, CodecError> {
    match bytes.split_first() {
        Some((found, body)) if *found == known => postcard::from_bytes(body).map_err(|_| CodecError::Damaged { what }),
        Some((found, _)) if *found > known => Err(CodecError::Newer { found: *found, known }),
        Some(_) | None => Err(CodecError::Damaged { what }),
    }
}
