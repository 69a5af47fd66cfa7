//! A state as the table's columns have it.

use uuid::Uuid;

use super::states::{SAID_NOTHING, SAID_NULL, SAID_RANKING};
use crate::pipeline::codec;
use crate::pipeline::state::{LastSaid, State};

/// The columns of a state that a fold writes, but for the user and the counter.
#[derive(Debug)]
pub struct EncodedState {
    pub(super) revision: i64,
    pub(super) said: i16,
    /// Unix time, ms.
    pub(super) erased_at: Option<i64>,
    pub(super) catalog_version: i32,
    pub(super) job: Option<Uuid>,
    pub(super) bytes: Vec<u8>,
}

impl From<&State> for EncodedState {
    fn from(state: &State) -> Self {
        Self {
            revision: state.revision,
            said: match state.said {
                None => SAID_NOTHING,
                Some(LastSaid::Ranking(_)) => SAID_RANKING,
                Some(LastSaid::Null) => SAID_NULL,
            },
            erased_at: state.profile.erased_at().map(|time| time.0),
            catalog_version: i32::try_from(state.catalog_version).unwrap_or(i32::MAX),
            job: state.job,
            bytes: codec::encode_state(&state.profile, state.said.as_ref()),
        }
    }
}
