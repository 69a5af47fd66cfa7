//! Finds partitions that stay behind their end without moving, by the client's statistics: a damaged batch is reported without
//! its partition, a batch that keeps a thread of the client busy is not reported at all, and a partition may have no leader.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::kafka::client::Topics;
use crate::kafka::partition::Partition;
use crate::runtime::health::Health;

/// The name under which partitions that do not move are reported as not ready.
pub const COMPONENT: &str = "partitions";

/// How long a partition may stay where it is. Longer than a leader usually takes to be replaced.
const LONGEST_STAY: Duration = Duration::from_secs(10);

/// How far a partition has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPosition {
    /// The offset to be fetched next.
    pub next: i64,
    /// The offset to be polled next.
    pub taken: i64,
}

/// Where each partition that is behind its end stays, and since when.
#[derive(Debug, Default)]
pub struct Stays {
    since: HashMap<Partition, (FetchPosition, Instant)>,
    reported: Vec<(Partition, FetchPosition)>,
}

impl Stays {
    /// Compares with the places before: `behind` are all partitions that are behind their ends and may be read.
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
            info!("every partition moves again, or is at its end");
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
    fn only_a_partition_that_stays_behind_its_end_for_long_is_stuck_until_it_moves_or_is_given_up() {
        let mut stays = Stays::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let behind = [(PARTITION, FetchPosition { next: 7, taken: 7 })];
        assert!(stays.stuck(&behind, at(0)).is_empty());
        assert!(stays.stuck(&behind, at(9)).is_empty());
        assert_eq!(stays.stuck(&behind, at(10)), behind);
        let taken = [(PARTITION, FetchPosition { next: 7, taken: 6 })];
        assert!(stays.stuck(&taken, at(11)).is_empty(), "what is polled counts as well");
        assert_eq!(stays.stuck(&taken, at(21)), taken);
        assert!(stays.stuck(&[], at(22)).is_empty());
        assert!(stays.stuck(&taken, at(23)).is_empty(), "it starts anew");
    }
}
