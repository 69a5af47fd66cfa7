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
        let mut open: Vec<(RejectedAgain, Extent)> = again.into_iter().map(|one| (one, Extent::Whole)).collect();
        let writing = async {
            let mut retry = Retry::forever();
            while !open.is_empty() {
                let before = open.len();
                open = self.try_to_reject(std::mem::take(&mut open)).await;
                if open.len() == before {
                    retry.wait().await;
                }
            }
        };
        patiently("Kafka", writing).await
    }

    /// One attempt at each; gives those that are still to be written.
    async fn try_to_reject(&self, open: Vec<(RejectedAgain, Extent)>) -> Vec<(RejectedAgain, Extent)> {
        let record = |(again, extent): &(RejectedAgain, Extent)| {
            let topic = self.topics.input(again.rejected.record.partition.kind);
            dead_letter::dead_letter(&again.rejected, topic, again.attempts, *extent)
        };
        let records: Vec<Outgoing> = open.iter().map(record).collect();
        let fates = produce::produce_all(&self.dead_letters, &self.topics.dead_letter, &records).await;
        let left = open.into_iter().zip(fates).filter_map(|((again, extent), fate)| {
            let error = fate.err()?;
            let smaller = produce::is_too_large(&error).then(|| extent.smaller()).flatten();
            Some((again, smaller.unwrap_or(extent)))
        });
        left.collect()
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
