//! The rules by which a dead letter is decoded or left.

use super::outcome::NotRedrivable;
use crate::codec::Decoded;
use crate::domain::event::Kind;
use crate::ingest::dead_letter_reader::DeadLetter;
use crate::jobs::Means;
use crate::kafka::client::Topics;
use crate::registry::decoder::Decoder;
use crate::runtime::halt::Halt;

#[derive(Debug, Clone)]
pub(super) struct Rules {
    topics: Topics,
    decoder: Decoder,
    /// A dead letter with this many attempts is not tried again.
    max_attempts: u32,
}

impl Rules {
    pub fn new(means: &Means, max_attempts: u32) -> Self {
        Self { topics: means.output.topics.clone(), decoder: means.decoder.clone(), max_attempts }
    }

    /// Decodes the original under its own coordinates and at its own time.
    ///
    /// # Errors
    /// Outer: the schema registry, which has the value's schema, is unavailable. Inner: the dead letter cannot or must
    /// not be tried again.
    pub async fn decode(&self, dead_letter: &DeadLetter) -> Result<Result<(Kind, Decoded), NotRedrivable>, Halt> {
        let Some(kind) = self.topics.kind_of(&dead_letter.origin.topic) else {
            return Ok(Err(NotRedrivable::UnknownTopic));
        };
        let Some(original) = dead_letter.original(kind) else { return Ok(Err(NotRedrivable::Truncated)) };
        if dead_letter.attempts >= self.max_attempts {
            return Ok(Err(NotRedrivable::AttemptsExhausted));
        }
        let decoded = self.decoder.decode(&original, dead_letter.schema_header()).await?;
        Ok(Ok((kind, decoded)))
    }
}
