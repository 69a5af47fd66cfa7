//! Pauses between attempts. The only module that names `backoff`, which is no longer maintained, so that it can be replaced.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Growing pauses with jitter, for attempts without an end.
#[derive(Debug)]
pub(crate) struct Retry {
    pauses: ExponentialBackoff,
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

impl Retry {
    /// From 0.1 s to at most 5 s, with jitter, without end.
    pub(crate) fn forever() -> Self {
        let pauses = ExponentialBackoff {
            current_interval: FIRST,
            initial_interval: FIRST,
            max_interval: LONGEST,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self { pauses }
    }

    /// Sleeps for the next pause.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }

    /// The next pause; each call makes it grow.
    pub(crate) fn next_pause(&mut self) -> Duration {
        self.pauses.next_backoff().unwrap_or(LONGEST).min(LONGEST)
    }

    /// Starts over with the shortest pause. Called after a success.
    pub fn reset(&mut self) {
        self.pauses.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_never_end_and_start_over_after_a_success() {
        let mut retry = Retry::forever();
        let pauses: Vec<Duration> = (0..50).map(|_| retry.next_pause()).collect();
        assert!(pauses[0] <= FIRST * 2);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST));
        assert!(pauses[49] >= LONGEST / 2);
        retry.reset();
        assert!(retry.next_pause() <= FIRST * 2);
    }
}
