//! Counts the rewinds, and remembers the last one of each partition for the status page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::event::Millis;
use crate::kafka::partition::Partition;
use crate::runtime::wall_clock;
use crate::telemetry::metrics::Metrics;

/// A partition was read again from an earlier offset, because the database lost or may have lost what was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewind {
    pub at: Millis,
    /// The offset that was confirmed or committed last.
    pub from: i64,
    /// The stored position.
    pub to: i64,
}

/// The rewinds since the process started. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Rewinds {
    metrics: Metrics,
    last: Arc<Mutex<HashMap<Partition, Rewind>>>,
}

impl Rewinds {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, last: Arc::default() }
    }

    /// Counts a rewind at this moment.
    pub(crate) fn count(&self, partition: Partition, from: i64, to: i64) {
        self.metrics.position_rewinds.inc();
        self.lock().insert(partition, Rewind { at: wall_clock::now(), from, to });
    }

    /// The last one of a partition.
    pub(crate) fn last(&self, partition: Partition) -> Option<Rewind> {
        self.lock().get(&partition).copied()
    }

    /// The map is never left half-updated, so a poisoned lock is safe to use.
    fn lock(&self) -> MutexGuard<'_, HashMap<Partition, Rewind>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
