//! Closes the intake while the outbox is too deep, so that an outage of the output does not fill the database. Its look at the
//! outbox also shows whether the database answers while nothing is written, and whether it still takes the password.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::store::sql::{Pool, within};
use tracing::{info, warn};

use crate::runtime::health::Health;
use crate::runtime::stop::{Stop, StopReason};
use crate::store::outbox;
use crate::telemetry::metrics::Metrics;

/// The name under which the database is reported as (not) ready.
pub(crate) const COMPONENT: &str = "database";

const INTERVAL: Duration = Duration::from_secs(2);

/// The deadline of a look at the outbox. That of a transaction is too long for readiness.
const ANSWER: Duration = Duration::from_secs(10);

/// Limits the outbox's depth.
pub struct Gate {
    pub max_rows: i64,
    /// Set while the outbox has that many rows or more.
    pub full: Arc<AtomicBool>,
    /// How long the database may refuse the password before the process ends.
    pub longest_refusal: Duration,
}

impl Gate {
    /// Checks the depth for as long as the process runs, and stops it after a lasting refusal of the password.
    pub async fn watch(self, pool: Pool, metrics: Metrics, health: Health, stop: Stop) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let problem = match within(ANSWER, outbox::depth(&pool)).await {
                Ok(depth) => {
                    metrics.observe_outbox(depth.rows, depth.oldest);
                    self.turn(depth.rows);
                    None
                }
                Err(error) => Some(format!("does not answer: {}", error.detail())),
            };
            let refused_for = pool.refused_for();
            let problem = refused_for.map(|_| "refuses the password of new connections".to_owned()).or(problem);
            match problem {
                None => health.set_ready(COMPONENT),
                Some(problem) => health.set_not_ready(COMPONENT, problem),
            }
            if let Some(refused_for) = refused_for.filter(|refused_for| *refused_for >= self.longest_refusal) {
                let seconds = refused_for.as_secs();
                stop.now(StopReason::Failure(format!(
                    "the database has refused the password for {seconds} seconds; set the new one in database.url"
                )));
                return;
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
