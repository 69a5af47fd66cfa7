//! The parts of a live service that a command needs that writes batches: the driver of the store, a publisher, and a
//! producer of dead letters. An outage is waited out for a while, not for ever: an operator is watching.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::codec::segment_changed::Encoding;
use crate::ingest::dead_letter_batch::{self, PendingDeadLetter};
use crate::ingest::record::Rejected;
use crate::kafka::client::{Cluster, Topics};
use crate::kafka::producer::Producer;
use crate::publish::handover::{Handover, handover};
use crate::publish::output_schema;
use crate::publish::publisher::Publisher;
use crate::registry::{Failure, Registry};
use crate::runtime::halt::Halt;
use crate::runtime::health::Health;
use crate::runtime::retry::Retry;
use crate::runtime::stop::{Stop, StopReason};
use crate::store::Store;
use crate::store::apply::Progress;
use crate::store::leased_rows::LeasedRows;
use crate::store::outbox::{Content, Publication};
use crate::store::task::ItemOutcome;
use crate::store::writer::Writer;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// How long Kafka or PostgreSQL may be unavailable in the middle of the work.
const UNAVAILABLE_DEADLINE: Duration = Duration::from_secs(60);

/// How changes and dead letters leave the process.
#[derive(Debug, Clone)]
pub struct Output {
    pub cluster: Cluster,
    pub topics: Topics,
    /// How segment-changed is to be written, whether or not there is a registry.
    pub encoding: Encoding,
    pub registry: Option<Registry>,
}

/// Writes batches, publishes their changes, and writes dead letters.
pub struct BatchWriter {
    writer: Writer,
    handover: Handover,
    publishing: JoinHandle<()>,
    dead_letters: Producer,
    topics: Topics,
    stop: Stop,
}

/// A record for the dead letters.
#[derive(Debug)]
pub struct Refused {
    pub rejected: Rejected,
    /// How often it has been tried.
    pub attempts: u32,
}

impl BatchWriter {
    /// Starts a publisher of this process.
    ///
    /// # Errors
    /// The clients could not be made from their configuration; the registry is unavailable, or does not take the schema of
    /// segment-changed.
    pub async fn start(store: Store, output: &Output, stop: Stop) -> Result<Self, Halt> {
        let topic = &output.topics.segment_changed;
        let encoding = output_schema::encoding(output.encoding, topic, output.registry.as_ref()).await;
        let encoding = encoding.map_err(|failure| match failure {
            Failure::Unavailable(why) => Halt::Unavailable(format!("the schema registry is unavailable: {why}")),
            failure => Halt::Refused(format!("the schema of segment-changed: {failure}")),
        })?;
        let producer =
            |name| output.cluster.named_producer(name).map_err(|error| Halt::Failed(format!("no producer: {error}")));
        let metrics = Metrics::new().map_err(|error| Halt::Failed(error.to_string()))?;
        let leased = LeasedRows::default();
        let (handover, handed_over) = handover();
        let publisher = Publisher {
            store: store.clone(),
            producer: producer("publisher")?,
            topic: topic.clone(),
            encoding,
            leased: leased.clone(),
            metrics: metrics.clone(),
            stop: stop.clone(),
            traces: Traces::default(),
        };
        let writer = Writer { store, leased, metrics, health: Health::default(), stop: stop.clone() };
        Ok(Self {
            writer,
            handover,
            publishing: tokio::spawn(publisher.run(handed_over)),
            dead_letters: producer("dead letters")?,
            topics: output.topics.clone(),
            stop,
        })
    }

    /// Folds and stores a batch; gives the outcome of each item and how many changes it made.
    ///
    /// # Errors
    /// PostgreSQL or Kafka is unavailable, a stop was requested, or this process must not write any more.
    pub async fn write(&self, progress: Progress<'_>) -> Result<(Vec<ItemOutcome>, u64), Halt> {
        let written = within_deadline("PostgreSQL", self.writer.write(progress)).await?;
        let Ok((outcomes, publications)) = written else {
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
        self.publish(publications).await?;
        Ok((outcomes, changes))
    }

    /// Hands outbox rows to the publisher.
    ///
    /// # Errors
    /// Kafka is unavailable.
    pub async fn publish(&self, publications: Vec<Publication>) -> Result<(), Halt> {
        publications.iter().for_each(|publication| self.writer.leased.add(publication.id));
        within_deadline("Kafka", self.handover.hand_over(publications, &self.stop)).await
    }

    /// Writes dead letters; returns once the broker has them.
    ///
    /// # Errors
    /// Kafka is unavailable.
    pub async fn reject(&self, refused: Vec<Refused>) -> Result<(), Halt> {
        let dead_letter = |Refused { rejected, attempts }| PendingDeadLetter::new((), rejected, attempts);
        let mut dead_letters: Vec<PendingDeadLetter<()>> = refused.into_iter().map(dead_letter).collect();
        let writing = async {
            let mut retry = Retry::forever();
            while !dead_letters.is_empty() {
                let attempt =
                    dead_letter_batch::attempt(&self.dead_letters, &self.topics, std::mem::take(&mut dead_letters))
                        .await;
                dead_letters = attempt.left;
                if attempt.error.is_some() {
                    retry.wait().await;
                }
            }
        };
        within_deadline("Kafka", writing).await
    }

    /// Waits until everything has been published. What is not stays in the outbox, for a live process to publish.
    ///
    /// # Errors
    /// Kafka is unavailable, or something else stopped the process before.
    pub async fn finish(self) -> Result<(), Halt> {
        let Self { handover, mut publishing, stop, .. } = self;
        // The publisher ends when nobody can hand it anything any more.
        drop(handover);
        let published = tokio::time::timeout(UNAVAILABLE_DEADLINE, &mut publishing).await;
        if published.is_err() {
            stop.abandon();
            // It ends at once, and what it had to publish is in the outbox.
            let _ = publishing.await;
            return Err(Halt::Unavailable(
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

/// Repeats a call to a dependency while that is unavailable, for as long as somebody who watches would wait.
///
/// # Errors
/// It stayed unavailable, or the call failed for another reason.
pub async fn retry_until_deadline<T, E>(who: &str, mut call: impl AsyncFnMut() -> Result<T, E>) -> Result<T, Halt>
where
    E: Into<Halt>,
{
    let mut retry = Retry::forever();
    let calling = async {
        loop {
            match call().await.map_err(Into::into) {
                Err(Halt::Unavailable(_)) => retry.wait().await,
                called => return called,
            }
        }
    };
    within_deadline(who, calling).await?
}

async fn within_deadline<T>(who: &str, work: impl Future<Output = T>) -> Result<T, Halt> {
    let done = tokio::time::timeout(UNAVAILABLE_DEADLINE, work).await;
    done.map_err(|_| {
        Halt::Unavailable(format!("{who} did not answer for {UNAVAILABLE_DEADLINE:?}; doing it again is safe"))
    })
}
