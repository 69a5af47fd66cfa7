//! The ids of the outbox rows that this process holds in memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The rows that this process holds in memory: it renews their leases and does not take them over from itself.
#[derive(Debug, Clone, Default)]
pub struct LeasedRows(Arc<Mutex<HashSet<i64>>>);

impl LeasedRows {
    /// Call it before the row is handed over.
    pub fn add(&self, id: i64) {
        self.with(|rows| rows.insert(id));
    }

    pub fn remove(&self, ids: impl IntoIterator<Item = i64>) {
        self.with(|rows| {
            for id in ids {
                rows.remove(&id);
            }
        });
    }

    pub fn contains(&self, id: i64) -> bool {
        self.with(|rows| rows.contains(&id))
    }

    pub fn ids(&self) -> Vec<i64> {
        self.with(|rows| rows.iter().copied().collect())
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashSet<i64>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
