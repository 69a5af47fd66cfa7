//! Closes the intake while the outbox is too deep, so that an outage of the output does not fill the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::store::sql::Pool;
use tracing::{info, warn};

use crate::runtime::health::Health;
use crate::store::outbox;
use crate::telemetry::metrics::Metrics;

/// The name under which the database is reported as (not) ready.
pub(crate) const COMPONENT: &str = "database";

const INTERVAL: Duration = Duration::from_secs(2);

/// Limits the outbox's depth.
pub(crate) struct Gate {
    pub max_rows: i64,
    /// Set while the outbox has that many rows or more.
    pub full: Arc<AtomicBool>,
}

impl Gate {
    /// Checks the depth for as long as the process runs. The query also reports an outage of the database while nothing is
    /// written.
    pub(crate) async fn watch(self, pool: Pool, metrics: Metrics, health: Health) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            match outbox::depth(&pool).await {
                Ok(depth) => {
                    health.set_ready(COMPONENT);
                    metrics.observe_outbox(depth.rows, depth.oldest);
                    self.turn(depth.rows);
                }
                Err(error) => health.set_not_ready(COMPONENT, format!("does not answer: {error}")),
            }
        }
    }

    fn turn(&self, rows: i64) {
        let is_full = rows >= self.max_rows;
        if self.full.swap(is_full, Ordering::Relaxed) != is_full {
            if is_full {
                warn!(rows, "the outbox is too deep; intake is closed until it shrinks");
            } else {
                info!(rows, "the outbox has room again");
            }
        }
    }
}
