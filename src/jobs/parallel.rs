//! Works through several sources of a job at the same time, and through each while its next batch is read.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::batch::Batch;
use super::control::Turn;
use super::source::Source;
use crate::runtime::halt::Halt;
use crate::runtime::stop::Stop;

/// Runs `work` on each source, `at_once` at a time. After a failure `is_halted` is set and no further source is begun; those that
/// run are waited for, so that each can end its batch. Returns the first failure.
pub(super) async fn each<W>(
    sources: Vec<Source>,
    at_once: usize,
    is_halted: &AtomicBool,
    work: impl Fn(Source) -> W,
) -> Result<Turn, Halt>
where
    W: Future<Output = Result<Turn, Halt>> + Send + 'static,
{
    let (mut left, mut running) = (sources.into_iter(), JoinSet::new());
    let (mut turn, mut halt) = (Turn::Go, None);
    loop {
        while running.len() < at_once && !is_halted.load(Ordering::Relaxed) {
            let Some(source) = left.next() else { break };
            running.spawn(work(source));
        }
        let Some(ended) = running.join_next().await else { break };
        match ended.unwrap_or_else(|error| Err(Halt::Failed(format!("a part of the job ended: {error}")))) {
            Ok(Turn::Go) => {}
            Ok(Turn::Cancel) => turn = Turn::Cancel,
            Err(failure) => {
                is_halted.store(true, Ordering::Relaxed);
                halt = halt.or(Some(failure));
            }
        }
    }
    halt.map_or(Ok(turn), Err)
}

/// The batches of a source, of which the next one is read while one is worked on.
pub(super) struct ReadAhead {
    source: Source,
    stop: Stop,
    next: Option<Batch>,
}

impl ReadAhead {
    /// Reads the first batch, of about `most` items at most.
    pub async fn begin(source: Source, most: usize, stop: Stop) -> Result<Self, Halt> {
        let mut ahead = Self { source, stop, next: None };
        ahead.next = ahead.read(most).await?;
        Ok(ahead)
    }

    /// The batch to work on; `None` after the last.
    pub fn take(&mut self) -> Option<Batch> {
        self.next.take()
    }

    /// Works on a batch, and reads the next one meanwhile.
    pub async fn read_during(&mut self, work: impl Future<Output = Result<(), Halt>>, most: usize) -> Result<(), Halt> {
        let (worked, read) = tokio::join!(work, self.read(most));
        worked?;
        self.next = read?;
        Ok(())
    }

    async fn read(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        tokio::select! {
            next = self.source.next(most) => next,
            () = self.stop.requested() => Err(Halt::Interrupted),
        }
    }
}
