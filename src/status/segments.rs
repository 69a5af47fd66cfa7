//! How many users each segment has. Counting reads the whole table, so it is done seldom, within a bound, and apart from
//! whoever asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Notify;
use tracing::debug;

use crate::store::Store;
use crate::store::lookup::{self, Share};

/// How long a count is shown before it is counted anew, and how long after one that failed it is tried again.
const FRESH: Duration = Duration::from_secs(30);
/// Users by primary segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    pub counted_seconds_ago: u64,
    pub users: i64,
    /// The largest first.
    pub shares: Vec<SegmentShare>,
}

/// One segment's part of the users.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentShare {
    /// `null` for users none of whose segments qualified.
    pub primary_segment: Option<String>,
    pub users: i64,
    /// 0 to 1; `null` where there is no primary segment.
    pub average_confidence: Option<f64>,
}

/// The last count, shared by all who ask. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CountedSegments {
    memory: Arc<Mutex<Memory>>,
    counted: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Memory {
    /// When a count was last begun.
    begun: Option<Instant>,
    is_counting: bool,
    last: Option<(Instant, Vec<Share>)>,
}

impl CountedSegments {
    /// The distribution, at most half a minute old where the database answers; `None` where it never has. A count that
    /// is under way is waited for, no longer than `patience`.
    pub async fn distribution(&self, store: &Store, patience: Duration) -> Option<Distribution> {
        let counted = self.counted.notified();
        if self.begin() {
            tokio::spawn(self.clone().count(store.clone()));
        }
        if self.memory().is_counting {
            // Without an answer in time the count before is shown.
            let _ = tokio::time::timeout(patience, counted).await;
        }
        let memory = self.memory();
        memory.last.as_ref().map(|(at, shares)| distribution(*at, shares))
    }

    /// Whether it is time for a count, which is then the caller's to make.
    fn begin(&self) -> bool {
        let mut memory = self.memory();
        let is_due = !memory.is_counting && memory.begun.is_none_or(|begun| begun.elapsed() >= FRESH);
        if is_due {
            memory.begun = Some(Instant::now());
            memory.is_counting = true;
        }
        is_due
    }

    async fn count(self, store: Store) {
        let counted = lookup::distribution(&store.pool).await;
        let mut memory = self.memory();
        memory.is_counting = false;
        match counted {
            Ok(shares) => memory.last = Some((Instant::now(), shares)),
            Err(error) => debug!(%error, "could not count the segments' users"),
        }
        drop(memory);
        self.counted.notify_waiters();
    }

    /// What it holds is never left half-changed, so a panic elsewhere does not spoil it.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn distribution(at: Instant, shares: &[Share]) -> Distribution {
    Distribution {
        counted_seconds_ago: at.elapsed().as_secs(),
        users: shares.iter().map(|share| share.users).sum(),
        shares: shares
            .iter()
            .map(|share| SegmentShare {
                primary_segment: share.primary_segment.clone(),
                users: share.users,
                average_confidence: share.average_confidence,
            })
            .collect(),
    }
}
