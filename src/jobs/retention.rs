//! Deletes jobs that ended longer than `jobs.retention` ago, while the service runs.

use std::time::Duration;

use tracing::{info, warn};

use crate::store::jobs;
use crate::store::sql::Pool;

/// How often; several processes may do it at once.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Deletes them at once and every hour, until the task is dropped.
pub(crate) async fn watch(pool: Pool, retention: Duration) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match jobs::delete_ended(&pool, retention).await {
            Ok(0) => {}
            Ok(deleted) => info!(deleted, "deleted jobs that ended longer than jobs.retention ago"),
            Err(error) => {
                warn!(%error, "could not delete the jobs that ended longer than jobs.retention ago; trying in an hour")
            }
        }
    }
}
