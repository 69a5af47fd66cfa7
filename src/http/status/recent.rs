//! Since when something holds, and when something happened last, from what is observed once a second. Pure: the caller has the
//! clock.

use std::time::{Duration, Instant};

/// Observed at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub at: Instant,
    /// Whether the intake is paused.
    pub paused: bool,
    /// The dead letters so far.
    pub dead_letters: u64,
    /// The rewinds so far.
    pub rewinds: u64,
}

/// The memory of what was observed.
#[derive(Debug, Default)]
pub(super) struct Recent {
    last: Option<Seen>,
    paused_since: Option<Instant>,
    dead_letter_at: Option<Instant>,
    rewind_at: Option<Instant>,
}

/// Durations up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ago {
    /// For how long the intake has been paused.
    pub paused: Option<Duration>,
    /// The time since the last dead letter.
    pub dead_letter: Option<Duration>,
    /// The time since the last rewind.
    pub rewind: Option<Duration>,
}

impl Recent {
    pub fn note(&mut self, seen: Seen) {
        let (dead_letters, rewinds) = self.last.map_or((0, 0), |last| (last.dead_letters, last.rewinds));
        self.paused_since = seen.paused.then(|| self.paused_since.unwrap_or(seen.at));
        if seen.dead_letters > dead_letters {
            self.dead_letter_at = Some(seen.at);
        }
        if seen.rewinds > rewinds {
            self.rewind_at = Some(seen.at);
        }
        self.last = Some(seen);
    }

    pub fn ago(&self, now: Instant) -> Ago {
        let since = |at: Instant| now.saturating_duration_since(at);
        Ago {
            paused: self.paused_since.map(since),
            dead_letter: self.dead_letter_at.map(since),
            rewind: self.rewind_at.map(since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_from_its_beginning_and_a_count_from_its_last_growth() {
        let (start, mut recent) = (Instant::now(), Recent::default());
        let second = |seconds| start + Duration::from_secs(seconds);
        let states = [(true, 0), (true, 2), (false, 2), (true, 2), (true, 3), (true, 3)];
        for ((paused, dead_letters), seconds) in states.into_iter().zip(0..) {
            recent.note(Seen { at: second(seconds), paused, dead_letters, rewinds: 0 });
        }
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(recent.ago(second(6)), Ago { paused: seconds(3), dead_letter: seconds(2), rewind: None });
    }
}
