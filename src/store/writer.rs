//! Writes a batch, retrying through outages, and returns the committed outbox rows to publish.

use std::time::Instant;

use tracing::{error, info, warn};

use super::Store;
use super::apply::Progress;
use super::error::{ErrorClass, StoreError};
use super::history::Histories;
use super::leased_rows::LeasedRows;
use super::outbox::{Content, Publication};
use super::task::ItemOutcome;
use crate::runtime::health::Health;
use crate::runtime::retry::Retry;
use crate::runtime::stop::{Stop, StopReason};
use crate::telemetry::metrics::{Metrics, Stage};

/// The health component of failing writes. The outbox gate reports whether the database answers at all, since it also
/// polls while there is nothing to write.
const COMPONENT: &str = "database writes";

/// Writes batches and retries without a limit. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    pub store: Store,
    pub leased: LeasedRows,
    pub metrics: Metrics,
    pub health: Health,
    pub stop: Stop,
}

/// A batch that is written.
#[derive(Debug)]
pub struct Written {
    /// One an item.
    pub outcomes: Vec<ItemOutcome>,
    /// The outbox rows to publish.
    pub publications: Vec<Publication>,
    /// Where its transactions ran.
    pub ran_in: Histories,
}

/// The process stopped before the batch was written, or must not write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp;

impl Writer {
    /// Writes a batch. Retries until an outage ends.
    ///
    /// # Errors
    /// The process stopped first, or must not write any more.
    pub async fn write(&self, mut progress: Progress<'_>) -> Result<Written, GivenUp> {
        let started = Instant::now();
        let mut retry = Retry::forever();
        let mut failing = false;
        loop {
            let advanced = tokio::select! {
                advanced = self.store.advance(&mut progress) => advanced,
                () = self.stop.abandoned() => return Err(GivenUp),
            };
            let Err(error) = advanced else { break };
            let Some(class) = error.class() else {
                self.refuse(&error);
                return Err(GivenUp);
            };
            self.report(class, &error, &mut failing);
            tokio::select! {
                () = retry.wait() => {}
                () = self.stop.abandoned() => return Err(GivenUp),
            }
        }
        if failing {
            info!("writes to the database succeed again");
        }
        self.health.set_ready(COMPONENT);
        self.count(&progress);
        self.metrics.observe_stage(Stage::Write, started.elapsed());
        let publications = std::mem::take(&mut progress.publications);
        publications.iter().for_each(|publication| self.leased.add(publication.id));
        let ran_in = progress.ran_in;
        Ok(Written { outcomes: progress.into_outcomes().collect(), publications, ran_in })
    }

    /// Stops the process: a newer version of the program owns the data, or another process owns the job.
    fn refuse(&self, error: &StoreError) {
        error!(reason = error.detail(), "this process must not write to the database any more and stops");
        self.health.set_not_ready(COMPONENT, error.detail());
        self.stop.now(StopReason::Refused(error.detail()));
    }

    fn report(&self, class: ErrorClass, error: &StoreError, failing: &mut bool) {
        self.metrics.database_error(class.as_str());
        self.health.set_not_ready(COMPONENT, error.detail());
        if !std::mem::replace(failing, true) {
            let (class_name, reason) = (class.as_str(), error.detail());
            match class {
                ErrorClass::Conflict => warn!(
                    class = class_name,
                    reason, "events of some users wait for another session that locks their rows; nothing is lost"
                ),
                _ => warn!(class = class_name, reason, "the database does not take writes; waiting, nothing is lost"),
            }
        }
    }

    fn count(&self, progress: &Progress<'_>) {
        let tally = progress.tally;
        self.metrics.database_conflicts.inc_by(tally.conflicts);
        self.metrics.database_retries.inc_by(tally.retries);
        self.metrics.unknown_currency.inc_by(tally.unknown_currencies);
        self.metrics.observe_stage(Stage::Connection, tally.connecting);
        self.metrics.observe_stage(Stage::Transaction, tally.transaction);
        for publication in &progress.publications {
            if let Content::Changes(changes) = &publication.content {
                changes.iter().for_each(|change| self.metrics.segment_change(change));
            }
        }
    }
}
