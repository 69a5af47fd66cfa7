//! Driving a batch into the database through whatever comes: outages are waited out, what is committed is handed over.

use std::time::Instant;

use tracing::{error, info, warn};

use crate::event::Event;
use crate::health::Health;
use crate::kafka::handover::Handover;
use crate::kafka::held_rows::HeldRows;
use crate::metrics::{Metrics, Stage};
use crate::retry::Retry;
use crate::stop::{Stop, StopReason};
use crate::store::Store;
use crate::store::apply::{Ending, Progress};
use crate::store::error::{ErrorClass, StoreError};
use crate::store::outbox::{Content, Publication};

/// The name under which failing writes are reported. Whether the database answers at all is reported by the outbox gate,
/// which also looks while nothing is to be written.
const COMPONENT: &str = "database writes";

/// Writes batches and hands their changes to the publisher. Cheap to clone.
#[derive(Clone)]
pub struct Driver {
    pub store: Store,
    pub handover: Handover,
    pub held: HeldRows,
    pub metrics: Metrics,
    pub health: Health,
    pub stop: Stop,
}

/// The process was told to give up before the batch was written, or must not write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp;

impl Driver {
    /// Writes `events`; gives the ending of each and what is to be said. Waits out outages for as long as it takes.
    pub async fn write(&self, events: &[Event]) -> Result<(Vec<Ending>, Vec<Publication>), GivenUp> {
        self.drive(Progress::new(events)).await
    }

    /// As [`Self::write`], for any batch.
    pub async fn drive(&self, mut progress: Progress<'_>) -> Result<(Vec<Ending>, Vec<Publication>), GivenUp> {
        let started = Instant::now();
        let mut retry = Retry::forever();
        let mut failing = false;
        while let Err(error) = self.store.advance(&mut progress).await {
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
            info!("the database takes writes again");
        }
        self.health.set_ready(COMPONENT);
        self.count(&progress);
        self.metrics.observe_stage(Stage::Write, started.elapsed());
        let publications = std::mem::take(&mut progress.publications);
        publications.iter().for_each(|publication| self.held.hold(publication.id));
        Ok((progress.into_endings().collect(), publications))
    }

    /// Hands changes to the publisher, waiting while it is behind. Giving up loses nothing: the outbox has them.
    pub async fn hand_over(&self, publications: Vec<Publication>) {
        for publication in publications {
            tokio::select! {
                sent = self.handover.send(publication) => {
                    if sent.is_err() {
                        return;
                    }
                }
                () = self.stop.abandoned() => return,
            }
        }
    }

    /// The data belongs to a newer version of this program, or the job to another process.
    fn refuse(&self, error: &StoreError) {
        error!(reason = error.detail(), "this process must not write here any more; it stops");
        self.health.set_not_ready(COMPONENT, error.detail());
        self.stop.now(StopReason::Refused(error.detail()));
    }

    fn report(&self, class: ErrorClass, error: &StoreError, failing: &mut bool) {
        self.metrics.database_error(class);
        self.health.set_not_ready(COMPONENT, error.detail());
        if !std::mem::replace(failing, true) {
            warn!(
                class = class.as_str(),
                reason = error.detail(),
                "the database does not take writes; waiting, nothing is lost"
            );
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
