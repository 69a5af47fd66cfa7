//! Writer, publisher and dead letters, put together once: [`Output`] for `serve`, [`BatchWriter`] for commands. A command waits
//! for the end of an outage up to a deadline, not for ever, since an operator runs it.

use std::future::Future;
use std::time::{Duration, Instant};

use rdkafka::error::KafkaResult;
use tokio::task::JoinHandle;

use crate::codec::segment_changed::Encoding;
use crate::ingest::dead_letter_batch::{self, PendingDeadLetter};
use crate::ingest::record::Rejected;
use crate::kafka::client::{Cluster, Topics};
use crate::kafka::client_events::ClientEvents;
use crate::kafka::producer::Producer;
use crate::publish::handover::{Arrivals, Handover, handover};
use crate::publish::output_schema;
use crate::publish::publisher::Publisher;
use crate::registry::{Failure, Registry};
use crate::runtime::halt::Halt;
use crate::runtime::health::Health;
use crate::runtime::retry::Retry;
use crate::runtime::stop::{Stop, StopReason};
use crate::store::Store;
use crate::store::apply::Progress;
use crate::store::history::Histories;
use crate::store::leased_rows::LeasedRows;
use crate::store::outbox::Publication;
use crate::store::task::ItemOutcome;
use crate::store::writer::{GivenUp, Writer, Written};
use crate::telemetry::Shared;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// How long Kafka or PostgreSQL may be unavailable during the work.
const UNAVAILABLE_DEADLINE: Duration = Duration::from_secs(60);

/// Where changes and dead letters go.
#[derive(Debug, Clone)]
pub struct Destination {
    pub cluster: Cluster,
    pub topics: Topics,
    /// The encoding of segment-changed, whether or not there is a registry.
    pub encoding: Encoding,
    pub registry: Option<Registry>,
}

/// The parts through which batches, changes and dead letters leave the process.
pub struct Output {
    pub writer: Writer,
    /// From the writers to the publisher.
    pub handover: Handover,
    pub publisher: Publisher,
    /// Ends when the last handover is dropped.
    pub handed_over: Arrivals,
    pub dead_letters: Producer,
}

impl Output {
    /// Puts writer, publisher and dead letters together. `events` are the events of the publisher's client.
    ///
    /// # Errors
    /// A client cannot be made from its configuration.
    pub fn new(
        cluster: &Cluster,
        topics: &Topics,
        encoding: Encoding,
        store: &Store,
        shared: &Shared,
        events: ClientEvents,
    ) -> KafkaResult<Self> {
        let Shared { metrics, health, stop, traces } = shared.clone();
        let leased = LeasedRows::default();
        let (handover, handed_over) = handover();
        let publisher = Publisher {
            store: store.clone(),
            producer: cluster.producer(events)?,
            topic: topics.segment_changed.clone(),
            encoding,
            leased: leased.clone(),
            metrics: metrics.clone(),
            health: health.clone(),
            stop: stop.clone(),
            traces,
        };
        let writer = Writer { store: store.clone(), leased, metrics, health, stop };
        let dead_letters = cluster.named_producer("dead letters")?;
        Ok(Self { writer, handover, publisher, handed_over, dead_letters })
    }
}

/// Writes batches, publishes their changes, and writes dead letters.
pub(crate) struct BatchWriter {
    writer: Writer,
    handover: Handover,
    publishing: JoinHandle<()>,
    dead_letters: Producer,
    topics: Topics,
    stop: Stop,
}

/// A rejected record, to be dead-lettered.
#[derive(Debug)]
pub struct Refused {
    pub rejected: Rejected,
    /// How often it has been processed.
    pub attempts: u32,
}

/// A batch that is written, and whose changes are handed over.
#[derive(Debug)]
pub(crate) struct BatchWritten {
    /// One an item.
    pub outcomes: Vec<ItemOutcome>,
    /// The number of changes.
    pub changes: u64,
    /// Where its transactions ran.
    pub ran_in: Histories,
}

impl BatchWriter {
    /// Starts the publisher of this process.
    ///
    /// # Errors
    /// The configuration of a client is invalid; the registry is unavailable or rejects the schema of segment-changed.
    pub async fn start(store: Store, to: &Destination, stop: Stop) -> Result<Self, Halt> {
        let encoding = output_schema::encoding(to.encoding, &to.topics.segment_changed, to.registry.as_ref()).await;
        let encoding = encoding.map_err(|failure| match failure {
            Failure::Unavailable(why) => Halt::Unavailable(format!("the schema registry is unavailable: {why}")),
            failure => Halt::Refused(format!("the schema of segment-changed: {failure}")),
        })?;
        let metrics = Metrics::new().map_err(|error| Halt::Failed(error.to_string()))?;
        let shared = Shared { metrics, health: Health::default(), stop: stop.clone(), traces: Traces::default() };
        let events = to.cluster.events("publisher");
        let Output { writer, handover, publisher, handed_over, dead_letters } =
            Output::new(&to.cluster, &to.topics, encoding, &store, &shared, events)
                .map_err(|error| Halt::Failed(format!("no producer: {error}")))?;
        let publishing = tokio::spawn(publisher.run(handed_over));
        Ok(Self { writer, handover, publishing, dead_letters, topics: to.topics.clone(), stop })
    }

    /// Folds and writes a batch.
    ///
    /// # Errors
    /// PostgreSQL or Kafka is unavailable, another session locks rows, a stop was requested, or this process must not write
    /// any more.
    pub async fn write(&self, mut progress: Progress<'_>) -> Result<BatchWritten, Halt> {
        let (mut changes, mut pauses, mut locked_until) = (0, Retry::forever(), None);
        loop {
            let written = within_deadline("PostgreSQL", self.writer.write(&mut progress)).await?;
            let Written { publications, ran_in, locked } =
                written.map_err(|given_up| match (given_up, self.stop.reason()) {
                    (GivenUp::CheckpointLost, _) => Halt::CheckpointLost,
                    (GivenUp::Stopped, Some(StopReason::Refused(why))) => Halt::Refused(why.clone()),
                    (GivenUp::Stopped, _) => Halt::Interrupted,
                })?;
            changes += publications.iter().map(|publication| publication.content.changes()).sum::<u64>();
            self.publish(publications).await?;
            let Some(reason) = locked else {
                return Ok(BatchWritten { outcomes: progress.into_outcomes().collect(), changes, ran_in });
            };
            let until = *locked_until.get_or_insert_with(|| {
                Written::warn_of_lock(&reason);
                Instant::now() + UNAVAILABLE_DEADLINE
            });
            if Instant::now() > until {
                return Err(Halt::Unavailable(format!("PostgreSQL: {reason}; repeating the command is safe")));
            }
            tokio::select! {
                () = pauses.wait() => {}
                () = self.stop.requested() => return Err(Halt::Interrupted),
            }
        }
    }

    /// Hands outbox rows to the publisher.
    ///
    /// # Errors
    /// Kafka is unavailable.
    pub async fn publish(&self, publications: Vec<Publication>) -> Result<(), Halt> {
        publications.iter().for_each(|publication| self.writer.leased.add(publication.key.id));
        within_deadline("Kafka", self.handover.hand_over(publications, &self.stop)).await
    }

    /// Produces dead letters; returns once they are acknowledged.
    ///
    /// # Errors
    /// Kafka is unavailable.
    pub(crate) async fn reject(&self, refused: Vec<Refused>) -> Result<(), Halt> {
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

    /// Waits until all changes are published. Unpublished ones stay in the outbox, for another process to publish.
    ///
    /// # Errors
    /// Kafka is unavailable, or the process was stopped.
    pub async fn finish(self) -> Result<(), Halt> {
        let Self { handover, mut publishing, stop, .. } = self;
        // The publisher ends when the last sender is dropped.
        drop(handover);
        let published = tokio::time::timeout(UNAVAILABLE_DEADLINE, &mut publishing).await;
        if published.is_err() {
            stop.abandon();
            // It ends at once; its unpublished changes are in the outbox.
            let _ = publishing.await;
            return Err(Halt::Unavailable(
                "Kafka did not acknowledge all changes; the rest is in the outbox, and any running service publishes it".into(),
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

/// Repeats a call to a dependency while it is unavailable, up to the deadline of a command. `dependency` names it in the error.
///
/// # Errors
/// The dependency stayed unavailable, or the call failed for another reason.
pub async fn retry_until_deadline<T, E, C>(dependency: &str, mut call: impl FnMut() -> C) -> Result<T, Halt>
where
    C: Future<Output = Result<T, E>>,
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
    within_deadline(dependency, calling).await?
}

async fn within_deadline<T>(dependency: &str, work: impl Future<Output = T>) -> Result<T, Halt> {
    let done = tokio::time::timeout(UNAVAILABLE_DEADLINE, work).await;
    done.map_err(|_| {
        Halt::Unavailable(format!(
            "{dependency} did not answer for {UNAVAILABLE_DEADLINE:?}; repeating the command is safe"
        ))
    })
}
