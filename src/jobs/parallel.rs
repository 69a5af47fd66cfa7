//! Works through several sources of a job at the same time.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::control::Turn;
use super::source::Source;
use crate::runtime::halt::Halt;

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
