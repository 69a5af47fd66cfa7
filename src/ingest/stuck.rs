//! Names the partitions that are not read although they have records or may have: those that cannot start, those without a
//! leader, and those that are behind their end and do not move. The client reports a damaged batch without its partition, and
//! a batch that keeps its thread busy not at all; its statistics show both.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::kafka::client::Topics;
use crate::kafka::partition::Partition;
use crate::runtime::health::Health;
use crate::telemetry::metrics::Metrics;

/// The name under which stuck partitions are reported as not ready.
pub(crate) const COMPONENT: &str = "partitions";

/// How long a partition may stay at one position or wait for its start. Longer than a leader election usually takes.
const LONGEST_STAY: Duration = Duration::from_secs(10);

/// How a partition is being read, by the client's statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has no leader.
    Leaderless,
    /// It is behind its end.
    Behind {
        /// The next offset to fetch.
        next: i64,
        /// The next offset to poll.
        taken: i64,
    },
}

/// The partitions that may be stuck. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Stuck {
    topics: Arc<Topics>,
    health: Health,
    metrics: Metrics,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Partitions that wait for their start: since when, and why.
    waiting: HashMap<Partition, (Instant, String)>,
    /// Partitions that are read and have not reached their end: since when they are at this place.
    places: HashMap<Partition, (Instant, Place)>,
    /// By topic and partition, with the reason.
    reported: BTreeMap<(String, i32), String>,
}

impl Stuck {
    pub(crate) fn new(topics: Arc<Topics>, health: Health, metrics: Metrics) -> Self {
        Self { topics, health, metrics, inner: Arc::default() }
    }

    /// The partition cannot start yet.
    pub(crate) fn waits(&self, partition: Partition, why: &str) {
        let mut inner = self.lock();
        let since = inner.waiting.get(&partition).map_or_else(Instant::now, |(since, _)| *since);
        inner.waiting.insert(partition, (since, why.to_owned()));
    }

    /// The partition cannot start for long; it counts as stuck at once.
    pub(crate) fn is_stuck(&self, partition: Partition, why: &str) {
        let long_ago = Instant::now().checked_sub(LONGEST_STAY).unwrap_or_else(Instant::now);
        self.lock().waiting.insert(partition, (long_ago, why.to_owned()));
    }

    /// The partition no longer waits: it starts, or is no longer assigned.
    pub(crate) fn starts(&self, partition: Partition) {
        self.lock().waiting.remove(&partition);
        // The series exists from the start, so that an alert sees it change.
        self.metrics.stuck_partition(self.topics.input(partition.kind), partition.number, false);
    }

    /// Compares with the previous places. `places` holds all partitions that are read and are neither paused nor at their end.
    pub(crate) fn see(&self, places: &[(Partition, Place)], now: Instant) {
        let mut inner = self.lock();
        inner.see(places, now);
        let name = |partition: Partition| (self.topics.input(partition.kind).to_owned(), partition.number);
        let stuck: BTreeMap<(String, i32), String> =
            inner.stuck(now).map(|(partition, why)| (name(partition), why)).collect();
        if stuck == inner.reported {
            return;
        }
        for (topic, number) in inner.reported.keys() {
            self.metrics.stuck_partition(topic, *number, false);
        }
        for (topic, number) in stuck.keys() {
            self.metrics.stuck_partition(topic, *number, true);
        }
        let named: Vec<String> =
            stuck.iter().map(|((topic, number), why)| format!("{topic}[{number}] {why}")).collect();
        let named = named.join("; ");
        inner.reported = stuck;
        drop(inner);
        if named.is_empty() {
            info!("all partitions move again or are at their end");
            self.health.set_ready(COMPONENT);
        } else {
            warn!(partitions = named, "partitions are not read; the others go on");
            self.health.set_not_ready(COMPONENT, format!("not read: {named}"));
        }
    }

    /// Why partitions are not read: those that wait for their start, however short, and those reported as stuck.
    pub(crate) fn reasons(&self) -> HashMap<Partition, String> {
        let inner = self.lock();
        let waiting =
            inner.waiting.iter().map(|(partition, (_, why))| (*partition, format!("cannot start yet: {why}")));
        inner.stuck(Instant::now()).chain(waiting).collect()
    }

    /// The maps are never left half-updated, so a poisoned lock is safe to use.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn see(&mut self, places: &[(Partition, Place)], now: Instant) {
        let before = std::mem::take(&mut self.places);
        for (partition, place) in places {
            let since = before.get(partition).filter(|(_, stays)| stays == place).map_or(now, |(since, _)| *since);
            self.places.insert(*partition, (since, *place));
        }
    }

    fn stuck(&self, now: Instant) -> impl Iterator<Item = (Partition, String)> {
        let too_long = move |since: &Instant| now.saturating_duration_since(*since) >= LONGEST_STAY;
        let waiting = self.waiting.iter().filter(move |(_, (since, _))| too_long(since));
        let waiting = waiting.map(|(partition, (_, why))| (*partition, format!("cannot start: {why}")));
        let places = self.places.iter().filter(move |(_, (since, _))| too_long(since));
        let places = places.map(|(partition, (_, place))| {
            let why = match place {
                Place::Leaderless => "has no leader".to_owned(),
                Place::Behind { next, .. } => format!("at offset {next} is behind its end and does not move"),
            };
            (*partition, why)
        });
        waiting.chain(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Kind;

    const PARTITION: Partition = Partition { kind: Kind::OnboardingCompleted, number: 3 };

    #[test]
    fn a_partition_that_does_not_move_for_ten_seconds_is_stuck_until_it_moves_or_is_given_up() {
        let mut inner = Inner::default();
        let start = Instant::now();
        let mut is_stuck = |places: &[(Partition, Place)], seconds| {
            let now = start + Duration::from_secs(seconds);
            inner.see(places, now);
            inner.stuck(now).next().is_some()
        };
        let behind = [(PARTITION, Place::Behind { next: 7, taken: 7 })];
        assert!(!is_stuck(&behind, 0));
        assert!(!is_stuck(&behind, 9));
        assert!(is_stuck(&behind, 10));
        let taken = [(PARTITION, Place::Behind { next: 7, taken: 6 })];
        assert!(!is_stuck(&taken, 11), "polling counts as moving");
        assert!(is_stuck(&taken, 21));
        assert!(!is_stuck(&[], 22));
        assert!(!is_stuck(&taken, 23), "the time starts anew");
        assert!(!is_stuck(&[(PARTITION, Place::Leaderless)], 40));
        assert!(is_stuck(&[(PARTITION, Place::Leaderless)], 50));
    }
}
