//! Redriving for good: events into the database, changes to the publisher, what is still rejected back to the dead
//! letters. An outage is waited out for a while, not for ever: an operator is watching.

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::redrive::{Halt, Settings};
use crate::event::Event;
use crate::health::Health;
use crate::kafka::client::Topics;
use crate::kafka::dead_letter::{self, Extent};
use crate::kafka::produce::{self, Outgoing, Producer};
use crate::kafka::publisher::{HANDOVER_ROWS, HeldRows, Publisher};
use crate::kafka::record::Rejected;
use crate::metrics::Metrics;
use crate::pipeline::drive::Driver;
use crate::retry::Retry;
use crate::stop::{Stop, StopReason};
use crate::store::Store;
use crate::store::apply::Ending;
use crate::store::outbox::Content;
use crate::trace::Traces;

/// How long Kafka or PostgreSQL may be away in the middle of the work.
const PATIENCE: Duration = Duration::from_secs(60);

/// The parts of a live service that a redrive needs.
pub(super) struct Executor {
    driver: Driver,
    publishing: JoinHandle<()>,
    dead_letters: Producer,
    topics: Topics,
    stop: Stop,
}

/// A dead letter that was tried once more in vain.
pub(super) struct RejectedAgain {
    pub(super) rejected: Rejected,
    pub(super) attempts: u32,
}

/// A dead letter that is still to be written.
struct Open {
    again: RejectedAgain,
    extent: Extent,
    /// Whether it is written alone, since the broker refuses a whole batch that is too large, or has one in it that is.
    alone: bool,
}

impl Executor {
    /// Starts a publisher of this process.
    pub(super) fn start(store: Store, settings: &Settings, stop: Stop) -> Result<Self, Halt> {
        let producer = |name| {
            settings.source.cluster.named_producer(name).map_err(|error| Halt::Failed(format!("no producer: {error}")))
        };
        let metrics = Metrics::new().map_err(|error| Halt::Failed(error.to_string()))?;
        let held = HeldRows::default();
        let (handover, handed_over) = mpsc::channel(HANDOVER_ROWS);
        let publisher = Publisher {
            store: store.clone(),
            producer: producer("publisher")?,
            topic: settings.rules.topics.segment_changed.clone(),
            encoding: settings.encoding,
            held: held.clone(),
            metrics: metrics.clone(),
            stop: stop.clone(),
            traces: Traces::default(),
        };
        let driver = Driver { store, handover, held, metrics, health: Health::default(), stop: stop.clone() };
        Ok(Self {
            driver,
            publishing: tokio::spawn(publisher.run(handed_over)),
            dead_letters: producer("dead letters")?,
            topics: settings.rules.topics.clone(),
            stop,
        })
    }

    /// Folds and stores a batch; gives the ending of each event and how many changes it made.
    pub(super) async fn write(&self, events: &[Event]) -> Result<(Vec<Ending>, u64), Halt> {
        let written = patiently("PostgreSQL", self.driver.write(events)).await?;
        let Ok((endings, publications)) = written else {
            return Err(match self.stop.reason() {
                Some(StopReason::Refused(why)) => Halt::Refused(why.clone()),
                _ => Halt::Interrupted,
            });
        };
        let changes = publications.iter().map(|publication| match &publication.content {
            Content::Changes(changes) => changes.len() as u64,
            Content::Users(_) => 0,
        });
        let changes = changes.sum();
        patiently("Kafka", self.driver.hand_over(publications)).await?;
        Ok((endings, changes))
    }

    /// Writes new dead letters of the same records; returns once the broker has them.
    pub(super) async fn reject(&self, again: Vec<RejectedAgain>) -> Result<(), Halt> {
        let open = |again| Open { again, extent: Extent::Whole, alone: false };
        let mut open: Vec<Open> = again.into_iter().map(open).collect();
        let writing = async {
            let mut retry = Retry::forever();
            loop {
                let (left, failed) = self.try_to_reject(std::mem::take(&mut open)).await;
                open = left;
                if open.is_empty() {
                    return;
                }
                if failed {
                    retry.wait().await;
                }
            }
        };
        patiently("Kafka", writing).await
    }

    /// One attempt at each; gives those that are still to be written, and whether any failed for more than its size.
    async fn try_to_reject(&self, open: Vec<Open>) -> (Vec<Open>, bool) {
        let (alone, together): (Vec<Open>, Vec<Open>) = open.into_iter().partition(|open| open.alone);
        let (mut left, mut failed) = self.try_together(together).await;
        for one in alone {
            let (still_left, has_failed) = self.try_together(vec![one]).await;
            left.extend(still_left);
            failed |= has_failed;
        }
        (left, failed)
    }

    async fn try_together(&self, open: Vec<Open>) -> (Vec<Open>, bool) {
        let record = |open: &Open| {
            let topic = self.topics.input(open.again.rejected.record.partition.kind);
            dead_letter::dead_letter(&open.again.rejected, topic, open.again.attempts, open.extent)
        };
        let records: Vec<Outgoing> = open.iter().map(record).collect();
        let fates = produce::produce_all(&self.dead_letters, &self.topics.dead_letter, &records).await;
        let (mut left, mut failed) = (Vec::new(), false);
        for (mut one, fate) in open.into_iter().zip(fates) {
            let Err(error) = fate else { continue };
            match one.extent.smaller().filter(|_| produce::is_too_large(&error)) {
                Some(_) if !one.alone => one.alone = true,
                Some(extent) => one.extent = extent,
                None => failed = true,
            }
            left.push(one);
        }
        (left, failed)
    }

    /// Waits until everything has been said. What is not stays in the outbox, for a live process to say.
    pub(super) async fn finish(self) -> Result<(), Halt> {
        let Self { driver, mut publishing, stop, .. } = self;
        // The publisher ends when nobody can hand it anything any more.
        drop(driver);
        let said = tokio::time::timeout(PATIENCE, &mut publishing).await;
        if said.is_err() {
            stop.abandon();
            // It ends at once, and what it had to say is in the outbox.
            let _ = publishing.await;
            return Err(Halt::Away(
                "Kafka did not take all changes; the rest is in the outbox, and any live process says it".into(),
            ));
        }
        match stop.reason() {
            Some(StopReason::Failure(why)) => Err(Halt::Failed(why.clone())),
            Some(StopReason::Refused(why)) => Err(Halt::Refused(why.clone())),
            Some(StopReason::Signal | StopReason::Flood(_)) => Err(Halt::Interrupted),
            None => Ok(()),
        }
    }
}

async fn patiently<T>(who: &str, work: impl Future<Output = T>) -> Result<T, Halt> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.map_err(|_| Halt::Away(format!("{who} did not answer for {PATIENCE:?}; redriving again is safe")))
}
