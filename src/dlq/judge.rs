//! What a dead letter is on another try, decided from it alone, as the live service would decide of the original.

use super::tally::NotRedrivable;
use crate::decoder::Decoder;
use crate::event::{Decoded, Kind};
use crate::halt::Halt;
use crate::kafka::client::Topics;
use crate::kafka::dead_letter_reader::DeadLetter;

/// What holds for every dead letter of a run.
#[derive(Debug, Clone)]
pub struct Rules {
    pub topics: Topics,
    pub decoder: Decoder,
    /// What has been tried this often is not tried again.
    pub max_attempts: u32,
}

impl Rules {
    /// Decodes the original under its own coordinates and at its own time.
    ///
    /// # Errors
    /// The schema registry, which has to be asked for its schema, is away. Inside: it cannot or must not be tried again.
    pub async fn judge(&self, letter: &DeadLetter) -> Result<Result<(Kind, Decoded), NotRedrivable>, Halt> {
        let Some(kind) = self.topics.kind_of(&letter.origin.topic) else { return Ok(Err(NotRedrivable::UnknownTopic)) };
        let Some(original) = letter.original(kind) else { return Ok(Err(NotRedrivable::Truncated)) };
        if letter.attempts >= self.max_attempts {
            return Ok(Err(NotRedrivable::AttemptsExhausted));
        }
        let decoded = self.decoder.decode(&original, letter.schema_header()).await?;
        Ok(Ok((kind, decoded)))
    }
}
