//! Writes a batch, retrying through outages, and returns the committed outbox rows to publish.

use std::time::Instant;

use tracing::{error, info, warn};

use super::Store;
use super::apply::{Progress, Tally};
use super::error::{ErrorClass, StoreError};
use super::history::Histories;
use super::leased_rows::LeasedRows;
use super::outbox::{Content, Publication};
use crate::runtime::health::Health;
use crate::runtime::retry::Retry;
use crate::runtime::stop::{Stop, StopReason};
use crate::telemetry::metrics::{Metrics, Stage};

/// The health component of failing writes. The outbox gate reports whether the database answers at all, since it also
/// polls while there is nothing to write.
pub(crate) const COMPONENT: &str = "database writes";

/// Writes batches and retries without a limit. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    pub store: Store,
    pub leased: LeasedRows,
    pub metrics: Metrics,
    pub health: Health,
    pub stop: Stop,
}

/// A batch that is written, but for users whose rows another session locks.
#[derive(Debug)]
pub struct Written {
    /// The outbox rows to publish.
    pub publications: Vec<Publication>,
    /// Where its transactions ran.
    pub ran_in: Histories,
    /// Why some users are not written yet.
    pub locked: Option<String>,
}

impl Written {
    /// Logs that users wait for a lock.
    pub(crate) fn warn_of_lock(reason: &str) {
        warn!(reason, "events of some users wait for another session that locks their rows; the others go on");
    }
}

/// Why a batch was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// The process stopped first, or must not write any more.
    Stopped,
    /// The database has lost commits of the job.
    CheckpointLost,
}

impl Writer {
    /// Writes a batch. Retries until an outage ends; does not wait for locks of other sessions.
    ///
    /// # Errors
    /// The process stopped first or must not write any more, or the job has to go back to its stored checkpoint.
    pub async fn write(&self, progress: &mut Progress<'_>) -> Result<Written, GivenUp> {
        let started = Instant::now();
        let mut retry = Retry::forever();
        let mut failing = false;
        let locked = loop {
            let advanced = tokio::select! {
                advanced = self.store.advance(progress) => advanced,
                () = self.stop.abandoned() => return Err(GivenUp::Stopped),
            };
            let error = match advanced {
                Ok(()) => break None,
                Err(error @ StoreError::Locked { .. }) => {
                    self.metrics.database_error(ErrorClass::Conflict.as_str());
                    break Some(error.detail());
                }
                Err(error) => error,
            };
            let Some(class) = error.class() else {
                if matches!(error, StoreError::CheckpointLost) {
                    return Err(GivenUp::CheckpointLost);
                }
                self.refuse(&error);
                return Err(GivenUp::Stopped);
            };
            self.report(class, &error, &mut failing);
            tokio::select! {
                () = retry.wait() => {}
                () = self.stop.abandoned() => return Err(GivenUp::Stopped),
            }
        };
        if failing {
            info!("writes to the database succeed again");
        }
        self.health.set_ready(COMPONENT);
        let publications = std::mem::take(&mut progress.publications);
        self.count(std::mem::take(&mut progress.tally), &publications);
        self.metrics.observe_stage(Stage::Write, started.elapsed());
        publications.iter().for_each(|publication| self.leased.add(publication.key.id));
        Ok(Written { publications, ran_in: progress.ran_in, locked })
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
            warn!(
                class = class.as_str(),
                reason = error.detail(),
                "the database does not take writes; waiting, nothing is lost"
            );
        }
    }

    fn count(&self, tally: Tally, publications: &[Publication]) {
        self.metrics.database_conflicts.inc_by(tally.conflicts);
        self.metrics.database_retries.inc_by(tally.retries);
        self.metrics.unknown_currency.inc_by(tally.unknown_currencies);
        self.metrics.observe_stage(Stage::Connection, tally.connecting);
        self.metrics.observe_stage(Stage::Transaction, tally.transaction);
        for publication in publications {
            if let Content::Changes(changes) = &publication.content {
                changes.iter().for_each(|change| self.metrics.segment_change(change));
            }
        }
    }
}
