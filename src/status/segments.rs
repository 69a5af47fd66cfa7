//! How many users each segment has. Counting reads the whole table, so it is done seldom and within a bound.

use std::time::Duration;

use serde::Serialize;

use super::cached::Cached;
use crate::store::Store;
use crate::store::lookup::{self, Share};

/// How long a count is shown before it is counted anew.
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
#[derive(Debug, Clone)]
pub struct CountedSegments(Cached<Vec<Share>>);

impl Default for CountedSegments {
    fn default() -> Self {
        Self(Cached::new("users by segment", FRESH))
    }
}

impl CountedSegments {
    /// The distribution, at most half a minute old where the database answers; `None` where it never has. A count that
    /// is under way is waited for, no longer than `patience`.
    pub async fn distribution(&self, store: &Store, patience: Duration) -> Option<Distribution> {
        let pool = store.pool.clone();
        let count = || async move { lookup::distribution(&pool).await };
        self.0.get(patience, count).await.map(|(age, shares)| distribution(age, shares))
    }
}

fn distribution(age: Duration, shares: Vec<Share>) -> Distribution {
    Distribution {
        counted_seconds_ago: age.as_secs(),
        users: shares.iter().map(|share| share.users).sum(),
        shares: shares
            .into_iter()
            .map(|share| SegmentShare {
                primary_segment: share.primary_segment,
                users: share.users,
                average_confidence: share.average_confidence,
            })
            .collect(),
    }
}
