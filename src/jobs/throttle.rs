//! The limits of a job, and the pace that keeps to its rate.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The limits of a job; an absent one does not limit. They may change while the job runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Throttle {
    /// Items per second.
    pub rate: Option<u32>,
    /// The live group's lag, in records, above which the job waits.
    pub max_live_lag: Option<u64>,
    /// The rows in the outbox above which the job waits.
    pub max_outbox: Option<u64>,
    /// The duration of a small write, in ms, above which the job waits.
    pub max_db_latency_ms: Option<u64>,
}

/// The maximum number of items in a batch.
const MOST_ITEMS: u32 = 2000;
/// The maximum number of users that a batch publishes: the publisher holds the changes of several batches in memory.
pub(crate) const MOST_PUBLISHED: usize = 500;
/// The number of batches per second that keeps a low rate even.
const BATCHES_A_SECOND: u32 = 5;

impl Throttle {
    /// The maximum number of items in a batch: fewer at a low rate, which keeps the rate even.
    pub(crate) fn batch_items(&self) -> usize {
        let most = self.rate.map_or(MOST_ITEMS, |rate| (rate / BATCHES_A_SECOND).clamp(1, MOST_ITEMS));
        most as usize
    }
}

/// When the next batch may start.
#[derive(Debug)]
pub(crate) struct Pace {
    next: Instant,
}

/// How much of a delay is made up for afterwards.
const CATCH_UP: Duration = Duration::from_millis(250);

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { next: now }
    }

    /// The pause before the next batch.
    pub fn wait(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// Starts a batch of `items`, unless another one has started meanwhile and it has to wait.
    pub fn take_turn(&mut self, items: u64, rate: Option<u32>, now: Instant) -> bool {
        if !self.wait(now).is_zero() {
            return false;
        }
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        let takes = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(items as f64 / f64::from(rate.max(1))));
        self.next = self.next.max(earliest) + takes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_keeps_to_its_rate_and_makes_up_for_short_delays_only() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut now, mut items) = (start, 0);
        while now < start + Duration::from_secs(10) {
            now += pace.wait(now);
            assert!(pace.take_turn(100, Some(1000), now));
            items += 100;
            now += Duration::from_millis(30);
        }
        assert!((9_900..=10_200).contains(&items), "{items} items in 10 s");

        now += Duration::from_secs(60);
        let mut at_once = 0;
        while pace.take_turn(100, Some(1000), now) {
            at_once += 100;
        }
        assert!(at_once <= 400, "{at_once} items at once after a minute's delay");
    }

    #[test]
    fn batches_are_small_at_a_low_rate() {
        assert_eq!(Throttle::default().batch_items(), 2000);
        assert_eq!(Throttle { rate: Some(500), ..Throttle::default() }.batch_items(), 100);
        assert_eq!(Throttle { rate: Some(1), ..Throttle::default() }.batch_items(), 1);
    }
}
