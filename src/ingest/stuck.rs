//! Finds partitions that are behind their end and do not move, from the client's statistics: the client reports a damaged
//! batch without its partition, and does not report a batch that keeps its thread busy, or a partition without a leader.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::kafka::client::Topics;
use crate::kafka::partition::Partition;
use crate::runtime::health::Health;

/// The name under which stuck partitions are reported as not ready.
pub(crate) const COMPONENT: &str = "partitions";

/// How long a partition may stay at one position. Longer than a leader election usually takes.
const LONGEST_STAY: Duration = Duration::from_secs(10);

/// How far a partition has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FetchPosition {
    /// The next offset to fetch.
    pub next: i64,
    /// The next offset to poll.
    pub taken: i64,
}

/// The position of each partition that is behind its end, and since when it has had it.
#[derive(Debug, Default)]
pub(crate) struct Stays {
    since: HashMap<Partition, (FetchPosition, Instant)>,
    reported: Vec<(Partition, FetchPosition)>,
}

impl Stays {
    /// Compares with the previous positions. `behind` holds all partitions that are behind their end and not paused.
    pub fn see(&mut self, behind: &[(Partition, FetchPosition)], now: Instant, topics: &Topics, health: &Health) {
        let stuck = self.stuck(behind, now);
        if stuck == self.reported {
            return;
        }
        let place = |(partition, place): &(Partition, FetchPosition)| {
            format!("{}[{}] at offset {}", topics.input(partition.kind), partition.number, place.next)
        };
        let places = stuck.iter().map(place).collect::<Vec<_>>().join(", ");
        self.reported = stuck;
        if places.is_empty() {
            info!("all partitions move again or are at their end");
            health.set_ready(COMPONENT);
        } else {
            warn!(partitions = places, "partitions are behind their end and do not move");
            health.set_not_ready(COMPONENT, format!("behind their end and not moving: {places}"));
        }
    }

    fn stuck(&mut self, behind: &[(Partition, FetchPosition)], now: Instant) -> Vec<(Partition, FetchPosition)> {
        let before = std::mem::take(&mut self.since);
        for (partition, place) in behind {
            let stayed = before.get(partition).filter(|(stays, _)| stays == place);
            self.since.insert(*partition, stayed.copied().unwrap_or((*place, now)));
        }
        let is_stuck = |(partition, _): &&(Partition, FetchPosition)| {
            self.since.get(partition).is_some_and(|(_, since)| now.duration_since(*since) >= LONGEST_STAY)
        };
        let mut stuck: Vec<_> = behind.iter().filter(is_stuck).copied().collect();
        stuck.sort_unstable_by_key(|(partition, _)| (partition.kind as u8, partition.number));
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Kind;

    const PARTITION: Partition = Partition { kind: Kind::OnboardingCompleted, number: 3 };

    #[test]
    fn a_partition_that_does_not_move_for_ten_seconds_is_stuck_until_it_moves_or_is_given_up() {
        let mut stays = Stays::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let behind = [(PARTITION, FetchPosition { next: 7, taken: 7 })];
        assert!(stays.stuck(&behind, at(0)).is_empty());
        assert!(stays.stuck(&behind, at(9)).is_empty());
        assert_eq!(stays.stuck(&behind, at(10)), behind);
        let taken = [(PARTITION, FetchPosition { next: 7, taken: 6 })];
        assert!(stays.stuck(&taken, at(11)).is_empty(), "polling counts as moving");
        assert_eq!(stays.stuck(&taken, at(21)), taken);
        assert!(stays.stuck(&[], at(22)).is_empty());
        assert!(stays.stuck(&taken, at(23)).is_empty(), "the time starts anew");
    }
}
