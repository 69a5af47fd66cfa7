//! The publisher: produces committed changes to segment-changed and corrects itself.
//!
//! Several processes may publish changes of one user, and an idempotent producer fences no other process. So after every attempt
//! to produce, the publisher reads the published revisions of its users from the database and produces every one that is higher
//! than its own last one, until none is; only then it deletes the outbox row. A newer change committed before that read is
//! thereby published after the older one; a change committed later is published later, by its own publisher. A crash anywhere
//! leaves the row, and another process takes it over when its lease has run out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Header, OwnedHeaders};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

use super::handover::{Arrivals, HandedOver};
use super::leases;
use crate::codec::segment_changed::{self, Encoding, Record};
use crate::codec::stored::EncodingError;
use crate::domain::event::{Millis, UserId};
use crate::domain::ranking_change::{ChangeBody, RankingChange};
use crate::kafka::producer::{self, Outgoing, Producer};
use crate::runtime::fault::fault_point;
use crate::runtime::health::Health;
use crate::runtime::retry::Retry;
use crate::runtime::stop::{Stop, StopReason};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::leased_rows::LeasedRows;
use crate::store::outbox::{self, Content, Publication, RowKey};
use crate::store::sql::within;
use crate::telemetry::metrics::{Metrics, Published, Stage};
use crate::telemetry::traces::Traces;

/// How many outbox rows are published together at most.
const ROWS_AT_ONCE: usize = 64;

/// How many rows are taken over together at most; each may hold the changes of a whole batch.
const TAKEOVER_ROWS: usize = 8;

/// The name of the loop's heartbeat.
pub const HEARTBEAT: &str = "publisher";

/// The deadline of an answer of the database, the wait for a connection included, whatever the statement timeout: the loop has
/// to go on, and its statements are short.
const ANSWER: Duration = Duration::from_secs(15);

/// The interval between two look-ups of rows to take over.
const TAKEOVER_INTERVAL: Duration = Duration::from_secs(1);

/// After a longer time between two heartbeats the process may have been paused, and its sessions may be those of a former primary,
/// which has older revisions. Shorter than it takes the group to go on without a process.
const PAUSED: Duration = Duration::from_secs(5);

/// A producer as the publisher needs it: the Kafka client, or one that records.
pub trait Produce: Send + Sync + 'static {
    /// Hands all records over in their order, then waits for the acknowledgement of each.
    fn produce_all(&self, topic: &str, records: Vec<Outgoing>) -> impl Future<Output = Vec<KafkaResult<()>>> + Send;

    /// The reason, if the producer has failed for good and only a new process helps.
    fn fatal_reason(&self) -> Option<String>;
}

impl Produce for Producer {
    async fn produce_all(&self, topic: &str, records: Vec<Outgoing>) -> Vec<KafkaResult<()>> {
        Self::produce_all(self, topic, records).await
    }

    fn fatal_reason(&self) -> Option<String> {
        Self::fatal_reason(self)
    }
}

/// Publishes the rows that are handed over, and those that it takes over.
pub struct Publisher<P = Producer> {
    pub store: Store,
    pub producer: P,
    pub topic: String,
    pub encoding: Encoding,
    pub leased: LeasedRows,
    pub metrics: Metrics,
    pub health: Health,
    pub stop: Stop,
    pub traces: Traces,
}

/// The pending and the published changes of one call.
struct Round {
    pending: Vec<RankingChange>,
    /// Users with their published revisions, in the order of publishing; 0 for users of which only the database is to be asked.
    published: Vec<(UserId, i64)>,
    first: bool,
}

impl Round {
    /// The last published revision of each user of the call.
    fn last_published(&self) -> HashMap<&UserId, i64> {
        let mut last: HashMap<&UserId, i64> = self.published.iter().map(|(user, revision)| (user, *revision)).collect();
        for change in &self.pending {
            last.entry(&change.user).or_insert(0);
        }
        last
    }
}

impl<P: Produce> Publisher<P> {
    /// Publishes until the channel is closed and empty, or the work is to be abandoned.
    pub async fn run(self, handed_over: Arrivals) {
        let stop = self.stop.clone();
        // What runs beside is dropped with it.
        stop.until_abandoned(self.publish_all(handed_over)).await;
    }

    async fn publish_all(self, mut handed_over: Arrivals) {
        let (published, to_delete) = mpsc::unbounded_channel();
        let (mut deleting, mut renewing) = (JoinSet::new(), JoinSet::new());
        deleting.spawn(leases::delete_published(self.store.clone(), self.leased.clone(), to_delete));
        renewing.spawn(leases::renew_leases(self.store.clone(), self.leased.clone()));
        let mut takeover = tokio::time::interval(TAKEOVER_INTERVAL);
        takeover.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut received = Vec::with_capacity(ROWS_AT_ONCE);
        loop {
            self.beat();
            tokio::select! {
                count = handed_over.recv_many(&mut received, ROWS_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    let (rows, room): (Vec<Publication>, Vec<OwnedSemaphorePermit>) =
                        received.drain(..).map(|HandedOver { publication, room }| (publication, room)).unzip();
                    self.publish(rows, &published).await;
                    drop(room);
                }
                _ = takeover.tick() => {
                    let (rows, there_may_be_more) = self.take_over().await;
                    if there_may_be_more {
                        takeover.reset_immediately();
                    }
                    if !rows.is_empty() {
                        self.publish(rows, &published).await;
                    }
                }
            }
        }
        drop(published);
        if let Some(Err(error)) = deleting.join_next().await {
            error!(%error, "published outbox rows were not deleted; they will be published again");
        }
    }

    /// Reports the heartbeat. Where the one before is long ago, all that follows runs on new connections.
    fn beat(&self) {
        if self.health.beat(HEARTBEAT) > PAUSED {
            self.store.pool.renew();
        }
    }

    /// Takes over rows without a valid lease; returns those that can be published, and whether there may be more. An outage is
    /// logged at debug only: the writer reports it.
    async fn take_over(&self) -> (Vec<Publication>, bool) {
        let limit = i64::try_from(TAKEOVER_ROWS).unwrap_or(i64::MAX);
        let taken = outbox::take_over(&self.store.pool, self.store.owner, self.store.lease, limit);
        match within(ANSWER, taken).await {
            Ok((mut rows, unreadable)) => {
                let there_may_be_more = rows.len() + unreadable.len() >= TAKEOVER_ROWS;
                if !unreadable.is_empty() {
                    error!(rows = ?unreadable, "outbox rows were written in a format unknown to this version; left to one that knows it");
                }
                rows.retain(|row| !self.leased.contains(row.key.id));
                rows.iter().for_each(|row| self.leased.add(row.key.id));
                if !rows.is_empty() {
                    // A former primary that still serves this session has old rows. The read that corrects them must not.
                    self.store.pool.renew();
                    info!(rows = rows.len(), "took over unpublished outbox rows whose lease had run out");
                    self.metrics.outbox_taken_over.inc_by(rows.len() as u64);
                }
                (rows, there_may_be_more)
            }
            Err(error) => {
                debug!(%error, "could not look for outbox rows to take over");
                (Vec::new(), false)
            }
        }
    }

    /// Publishes the rows' changes, reads the published revisions until none is higher, then has the rows deleted.
    async fn publish(&self, rows: Vec<Publication>, published: &UnboundedSender<Vec<RowKey>>) {
        let keys: Vec<RowKey> = rows.iter().map(|row| row.key).collect();
        let due = |row: &Publication| Some((row.since?, row.content.changes()));
        let due: Vec<(Millis, u64)> = rows.iter().filter_map(due).collect();
        let mut round = Round { pending: Vec::new(), published: Vec::new(), first: true };
        for row in rows {
            match row.content {
                Content::Changes(changes) => round.pending.extend(changes),
                Content::Users(users) => round.published.extend(users.into_iter().map(|user| (user, 0))),
            }
        }
        let started = Instant::now();
        let mut retry = Retry::forever();
        loop {
            self.beat();
            fault_point!("before-publish");
            let failure = match self.produce(&mut round).await {
                Ok(failure) => failure,
                Err(error) => {
                    self.stop.now(StopReason::Failure(error.to_string()));
                    return;
                }
            };
            fault_point!("after-acks");
            self.beat();
            let newer = self.add_newer_revisions(&mut round).await;
            if failure.is_none() && newer.is_ok() && round.pending.is_empty() {
                break;
            }
            if let Some(reason) = failure.as_ref().and_then(|error| producer::not_allowed(error, &self.topic)) {
                self.stop.now(StopReason::Failure(reason));
                return;
            }
            if let Some(reason) = failure.as_ref().and_then(|_| self.producer.fatal_reason()) {
                self.stop.now(StopReason::Failure(format!("the Kafka producer failed for good: {reason}")));
                return;
            }
            if failure.is_some() || newer.is_err() {
                self.metrics.publish_retries.inc();
                let reason = failure.map(|error| error.to_string()).or(newer.err().map(|error| error.to_string()));
                warn!(reason, topic = self.topic, "could not publish all changes yet; they stay in the outbox");
                retry.wait().await;
            } else {
                retry.reset();
            }
        }
        // The receiver outlives this loop.
        let _ = published.send(keys);
        self.metrics.observe_stage(Stage::Publish, started.elapsed());
        due.into_iter().for_each(|(since, changes)| self.metrics.observe_publish_delay(since, changes));
    }

    /// Produces the pending changes, in order. Unacknowledged ones stay pending; returns the first delivery error.
    ///
    /// # Errors
    /// A change cannot be encoded.
    async fn produce(&self, round: &mut Round) -> Result<Option<KafkaError>, EncodingError> {
        let pending = std::mem::take(&mut round.pending);
        let records = pending.iter().map(|change| self.record(change)).collect::<Result<Vec<_>, _>>()?;
        let trace = self.traces.publish_begins(&self.topic, &pending);
        let deliveries = self.producer.produce_all(&self.topic, records).await;
        trace.end(|index| deliveries.get(index).is_some_and(Result::is_ok));
        let mut failure = None;
        round.published.reserve(pending.len());
        for (change, delivery) in pending.into_iter().zip(deliveries) {
            match delivery {
                Ok(()) => {
                    self.metrics.published(match (&change.body, round.first) {
                        (ChangeBody::Tombstone { .. }, _) => Published::Null,
                        (ChangeBody::Ranking(_), true) => Published::Change,
                        (ChangeBody::Ranking(_), false) => Published::Repeat,
                    });
                    round.published.push((change.user, change.revision));
                }
                Err(error) => {
                    failure = failure.or(Some(error));
                    round.pending.push(change);
                }
            }
        }
        round.first = false;
        Ok(failure)
    }

    /// Adds to the pending changes those whose revision in the database is higher than the last published one.
    async fn add_newer_revisions(&self, round: &mut Round) -> Result<(), StoreError> {
        let (users, published): (Vec<&UserId>, Vec<i64>) = round.last_published().into_iter().unzip();
        let names: Vec<&str> = users.iter().map(|user| user.as_str()).collect();
        let newer = within(ANSWER, outbox::users_with_newer_revisions(&self.store.pool, &names, &published)).await?;
        let newer: Vec<&UserId> = users.into_iter().filter(|user| newer.contains(user.as_str())).collect();
        if newer.is_empty() {
            return Ok(());
        }
        self.beat();
        for change in within(ANSWER, outbox::last_published(&self.store.pool, &newer)).await? {
            let is_pending =
                |pending: &RankingChange| pending.user == change.user && pending.revision >= change.revision;
            if !round.pending.iter().any(is_pending) {
                round.pending.push(change);
            }
        }
        Ok(())
    }

    fn record(&self, change: &RankingChange) -> Result<Outgoing, EncodingError> {
        let Record { headers, value } = segment_changed::record(change, &self.store.catalog, self.encoding)?;
        let no_headers = OwnedHeaders::new_with_capacity(headers.len());
        let headers = headers
            .iter()
            .fold(no_headers, |headers, (key, value)| headers.insert(Header { key, value: Some(&**value) }));
        Ok(Outgoing { key: Some(change.user.as_str().as_bytes().to_vec()), value, headers })
    }
}
