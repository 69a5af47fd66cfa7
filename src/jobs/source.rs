//! Where a job's batches come from.

use super::batch::Batch;
use super::replay::source::ReplaySource;
use super::saying::Saying;
use crate::halt::Halt;

/// The batches of a job, one after the other.
pub enum Source {
    Replay(ReplaySource),
    Saying(Saying),
}

impl Source {
    /// The next batch, of about `most` items at most; `None` after the last.
    ///
    /// # Errors
    /// What it reads from is away, or a stop was requested.
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        match self {
            Self::Replay(replay) => replay.next(most).await,
            Self::Saying(saying) => saying.next(most).await,
        }
    }
}
