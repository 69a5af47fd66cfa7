//! What a dead letter is on another try, decided from it alone, as the live service would decide of the original.

use super::tally::NotRedrivable;
use crate::event::{self, Decoded, Kind, Limits};
use crate::kafka::client::Topics;
use crate::kafka::dead_letter_reader::DeadLetter;

/// What holds for every dead letter of a run.
#[derive(Debug, Clone)]
pub struct Rules {
    pub topics: Topics,
    pub limits: Limits,
    /// What has been tried this often is not tried again.
    pub max_attempts: u32,
}

impl Rules {
    /// Decodes the original under its own coordinates and at its own time.
    ///
    /// # Errors
    /// It cannot or must not be tried again.
    pub fn judge(&self, letter: &DeadLetter) -> Result<(Kind, Decoded), NotRedrivable> {
        let kind = self.topics.kind_of(&letter.origin.topic).ok_or(NotRedrivable::UnknownTopic)?;
        let original = letter.original(kind).ok_or(NotRedrivable::Truncated)?;
        if letter.attempts >= self.max_attempts {
            return Err(NotRedrivable::AttemptsExhausted);
        }
        Ok((kind, event::decode(&original, &self.limits)))
    }
}
