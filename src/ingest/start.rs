//! Finds the start of each assigned partition, outside the rebalance: asks coordinator, brokers and database for as long as it
//! takes. A partition starts when all three have answered for it; the others do not wait for it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::assignment::Epoch;
use super::newest_revision::NewestRevision;
use super::position::Started;
use super::rewinds::Rewinds;
use super::start_table::{Facts, OutOfRangeCause, Start};
use super::stuck::Stuck;
use super::worker::LiveAssignment;
use crate::config::{InitialOffset, OutOfRange};
use crate::kafka::client::{self, Cluster, Topics};
use crate::kafka::client_events::ClientEvents;
use crate::kafka::committed::Committed;
use crate::kafka::offsets::{self, TopicNow};
use crate::kafka::partition::{Partition, describe};
use crate::kafka::topic_id::PresentTopicIds;
use crate::runtime::retry::Retry;
use crate::runtime::stop::{Stop, StopReason};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::positions::{self, PartitionKey, PositionRow};
use crate::telemetry::metrics::Metrics;

/// The deadline of one request to the brokers.
const ANSWER: Duration = Duration::from_secs(5);

/// A request to the starter.
#[derive(Debug)]
pub(crate) enum Request {
    Start(ToStart),
    /// Find the partitions whose position is out of range.
    CheckRange(Vec<(Partition, i64)>),
}

/// A partition that waits for its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToStart {
    pub partition: Partition,
    pub epoch: Epoch,
    /// Whether it was read, and the database may have lost what was applied.
    pub rewinds: bool,
}

/// An answer of the starter, for the consumer thread.
#[derive(Debug)]
pub(crate) enum Found {
    Start {
        partition: Partition,
        epoch: Epoch,
        started: Started,
    },
    /// Partitions whose position is out of range; may be empty.
    OutOfRange(Vec<Partition>),
}

/// Finds starts.
#[derive(Clone)]
pub(crate) struct Starter {
    pub topics: Arc<Topics>,
    pub cluster: Cluster,
    pub group: String,
    pub initial: InitialOffset,
    pub out_of_range: OutOfRange,
    pub store: Store,
    pub assignment: Arc<LiveAssignment>,
    pub ids: PresentTopicIds,
    pub newest_revision: NewestRevision,
    pub stuck: Stuck,
    pub rewinds: Rewinds,
    pub metrics: Metrics,
    pub stop: Stop,
}

/// Why a partition cannot start.
enum Failure {
    /// Not yet; the text names the peer that does not answer.
    NotYet(String),
    /// Not without an operator.
    OutOfRange(OutOfRangeCause),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::NotYet(format!("the database does not answer: {}", error.detail()))
    }
}

impl From<rdkafka::error::KafkaError> for Failure {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        Self::NotYet(format!("the brokers do not answer for it: {error}"))
    }
}

/// A client for requests about offsets. It never joins the group.
type Client = Arc<BaseConsumer<ClientEvents>>;

impl Starter {
    /// Answers requests until their channel is closed or the process gives up.
    pub(crate) async fn run(self, mut requests: mpsc::UnboundedReceiver<Request>, found: std_mpsc::Sender<Found>) {
        let mut running = JoinSet::new();
        let mut client: Option<Client> = None;
        let mut pauses = Pauses::default();
        let mut started = Vec::new();
        loop {
            let request = tokio::select! {
                request = requests.recv() => request,
                Some(ended) = running.join_next() => {
                    // A start that panicked is one of a partition that stays unread: stuck, and named so.
                    if let Ok(Some(answer)) = ended {
                        if let Found::Start { partition, .. } = &answer {
                            started.push(*partition);
                        }
                        // The consumer thread is gone once the process stops.
                        let _ = found.send(answer);
                    }
                    if running.is_empty() {
                        if !started.is_empty() {
                            info!(partitions = describe(&std::mem::take(&mut started)), "partitions started");
                        }
                        close(client.take());
                    }
                    continue;
                }
                () = self.stop.requested() => None,
            };
            let Some(request) = request else { break };
            let with = match client.clone().map_or_else(|| self.client(), Ok) {
                Ok(with) => with,
                Err(error) => {
                    self.stop.now(StopReason::Failure(format!("could not make a Kafka client: {error}")));
                    break;
                }
            };
            client = Some(Arc::clone(&with));
            let starter = self.clone();
            match request {
                Request::Start(to_start) => {
                    let pause = if to_start.rewinds { pauses.pause(to_start.partition, Instant::now()) } else { None };
                    running.spawn(async move { starter.start(&with, to_start, pause).await })
                }
                Request::CheckRange(places) => running.spawn(async move { starter.check_range(&with, places).await }),
            };
        }
        // A request in flight ends by its own deadline; the process does not wait for it.
        running.detach_all();
        close(client);
    }

    fn client(&self) -> KafkaResult<Client> {
        let config = self.cluster.reader(&self.group);
        Ok(Arc::new(BaseConsumer::from_config_and_context(&config, self.cluster.events("start"))?))
    }

    /// Tries until the partition can start; `None` if it is no longer assigned, or needs an operator.
    async fn start(self, client: &Client, to_start: ToStart, pause: Option<Duration>) -> Option<Found> {
        let ToStart { partition, epoch, .. } = to_start;
        if let Some(pause) = pause {
            self.stuck.is_stuck(partition, "the database went back in time again and again; waiting");
            self.sleep(pause).await;
        }
        let mut retry = Retry::forever();
        let mut reported = String::new();
        while self.assignment.awaits_start(partition, epoch) && !self.stop.is_requested() {
            match self.try_start(client, to_start).await {
                Ok(started) => {
                    self.stuck.starts(partition);
                    return Some(Found::Start { partition, epoch, started });
                }
                Err(Failure::OutOfRange(cause)) => {
                    self.stop.now(self.refusal(partition, cause));
                    return None;
                }
                Err(Failure::NotYet(why)) => {
                    self.stuck.waits(partition, &why);
                    if why != reported {
                        let (topic, partition) = (self.topics.input(partition.kind), partition.number);
                        warn!(topic, partition, reason = why, "a partition cannot be read yet; the others go on");
                        reported = why;
                    }
                }
            }
            self.sleep(retry.next_pause()).await;
        }
        self.stuck.starts(partition);
        None
    }

    async fn sleep(&self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.requested() => {}
        }
    }

    async fn try_start(&self, client: &Client, to_start: ToStart) -> Result<Started, Failure> {
        let ToStart { partition, rewinds, .. } = to_start;
        let topic = self.topics.input(partition.kind).to_owned();
        let of_brokers = blocking(client, move |client| ask_brokers(client, &topic, partition.number)).await?;
        let Brokers { now, committed, low, high } = of_brokers;
        self.ids.see(&HashMap::from([(partition.kind, now.id)]));
        let key = PartitionKey { topic_id: now.id, partition: partition.number };
        let read = positions::read(&self.store.pool, &self.group, key, now.partitions).await?;
        let facts = Facts { committed, row: read.0, present: read.1, low, high, rewinds };
        let start = facts.start(self.initial, self.out_of_range).map_err(Failure::OutOfRange)?;
        if let Some(Committed::Ours { revision, .. }) = committed {
            self.store.revisions.see(revision);
        }
        if start.repairs {
            let seen = self.newest_revision.see(&self.store.revisions).await;
            seen.map_err(|error| Failure::NotYet(format!("the newest revisions cannot be read: {error}")))?;
            self.store.revisions.raise();
        }
        if let Some(position) = start.position
            && !positions::set(&self.store.pool, &self.group, key, position, read).await?
        {
            return Err(Failure::NotYet(
                "its position was written, or the database changed its server, meanwhile".to_owned(),
            ));
        }
        self.report(partition, &facts, &start);
        Ok(Started {
            key,
            at: start.at,
            history: facts.present,
            repair_until: start.repairs.then_some(high),
            committed: match committed {
                Some(Committed::Ours { offset, .. }) => Some(offset),
                _ => None,
            },
        })
    }

    fn report(&self, partition: Partition, facts: &Facts, start: &Start) {
        let (topic, number) = (self.topics.input(partition.kind), partition.number);
        if let Some(cause) = start.skipped {
            let policy = self.out_of_range.as_str();
            self.metrics.offset_out_of_range(policy);
            warn!(topic, partition = number, policy, start = start.at, "offset out of range: {cause}");
        } else if start.repairs && start.at < facts.high {
            if let (Some(Committed::Ours { offset, .. }), PositionRow::Stored(stored)) = (facts.committed, facts.row)
                && stored.next_offset < offset
            {
                self.rewinds.count(partition, offset, stored.next_offset);
            }
            warn!(
                topic,
                partition = number,
                start = start.at,
                end = facts.high,
                history = %facts.present,
                "the database was started anew or went back in time since this partition was read; every user that is met \
                 up to the end is published again"
            );
        } else if let Some(Committed::Foreign { offset }) = facts.committed {
            info!(topic, partition = number, start = offset, "starting at an offset that another program committed");
        } else {
            debug!(topic, partition = number, start = start.at, history = %facts.present, "a partition starts");
        }
    }

    fn refusal(&self, partition: Partition, cause: OutOfRangeCause) -> StopReason {
        let (topic, number) = (self.topics.input(partition.kind), partition.number);
        StopReason::Refused(format!(
            "offset {} of {topic} partition {number} is out of range: {cause}. To go on without what is missing, start once \
             with the out-of-range policy earliest or latest",
            cause.offset()
        ))
    }

    /// The partitions of `places` whose position is out of range. Partitions whose range is unknown are left out: they have no
    /// leader, and the client reports them again.
    async fn check_range(self, client: &Client, places: Vec<(Partition, i64)>) -> Option<Found> {
        let mut out = Vec::new();
        for (partition, offset) in places {
            let topic = self.topics.input(partition.kind).to_owned();
            let range = blocking(client, move |client| client.fetch_watermarks(&topic, partition.number, ANSWER)).await;
            if range.is_ok_and(|(low, high)| !(low..=high).contains(&offset)) {
                out.push(partition);
            }
        }
        Some(Found::OutOfRange(out))
    }
}

/// The answers of coordinator and brokers about a partition.
struct Brokers {
    now: TopicNow,
    committed: Option<Committed>,
    low: i64,
    high: i64,
}

fn ask_brokers(client: &BaseConsumer<ClientEvents>, topic: &str, partition: i32) -> KafkaResult<Brokers> {
    let now = offsets::topic(client, topic, ANSWER)?;
    let committed = offsets::committed(client, topic, now.id, partition..partition + 1, ANSWER)?;
    let (low, high) = client.fetch_watermarks(topic, partition, ANSWER)?;
    Ok(Brokers { now, committed: committed.first().copied().flatten(), low, high })
}

/// Runs a blocking call of the client beside the runtime's own threads.
async fn blocking<T: Send + 'static>(
    client: &Client,
    call: impl FnOnce(&BaseConsumer<ClientEvents>) -> KafkaResult<T> + Send + 'static,
) -> KafkaResult<T> {
    use rdkafka::error::KafkaError;
    let client = Arc::clone(client);
    let called = tokio::task::spawn_blocking(move || {
        ClientEvents::identify(client.client())?;
        call(&client)
    })
    .await;
    called.unwrap_or_else(|error| Err(KafkaError::ClientCreation(error.to_string())))
}

/// Closes the client beside the runtime's own threads.
fn close(client: Option<Client>) {
    if let Some(client) = client {
        drop(tokio::task::spawn_blocking(move || client::close(client)));
    }
}

/// The pauses of each partition that goes back again and again: its database is not one server.
#[derive(Debug, Default)]
struct Pauses(HashMap<Partition, Rewound>);

/// When a partition went back within [`WINDOW`], and its last pause with its end.
#[derive(Debug, Default)]
struct Rewound {
    times: VecDeque<Instant>,
    paused: Option<(Duration, Instant)>,
}

/// This many rewinds of a partition within [`WINDOW`] are too many.
const TOO_MANY: usize = 3;
const WINDOW: Duration = Duration::from_secs(60);
/// The first pause; a rewind within [`WINDOW`] of its end doubles it, up to [`WINDOW`].
const FIRST_PAUSE: Duration = Duration::from_secs(5);

impl Pauses {
    /// Records a rewind; returns how long to wait before the partition starts.
    fn pause(&mut self, partition: Partition, now: Instant) -> Option<Duration> {
        let Rewound { times, paused } = self.0.entry(partition).or_default();
        times.push_back(now);
        while times.front().is_some_and(|first| now.duration_since(*first) > WINDOW) {
            times.pop_front();
        }
        let pause = match *paused {
            Some((last, until)) if now.saturating_duration_since(until) <= WINDOW => Some((last * 2).min(WINDOW)),
            _ => (times.len() >= TOO_MANY).then_some(FIRST_PAUSE),
        };
        *paused = pause.map(|pause| (pause, now + pause));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Kind;

    #[test]
    fn from_the_third_rewind_within_a_minute_on_a_partition_waits_ever_longer_up_to_a_minute() {
        let partition = Partition { kind: Kind::ProfileUpdated, number: 1 };
        let start = Instant::now();
        let pauses_at = |seconds: &[u64]| -> Vec<u64> {
            let mut pauses = Pauses::default();
            let mut pause = |second| pauses.pause(partition, start + Duration::from_secs(second));
            seconds.iter().map(|second| pause(*second).map_or(0, |pause| pause.as_secs())).collect()
        };
        assert_eq!(pauses_at(&[0, 40, 80, 120, 160]), [0; 5], "twice within a minute is usual");
        assert_eq!(pauses_at(&[0, 1, 2, 8, 19, 40, 81, 142, 203]), [0, 0, 5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(
            pauses_at(&[0, 1, 2, 8, 78, 139, 140]),
            [0, 0, 5, 10, 20, 40, 60],
            "within a minute of the last pause"
        );
        assert_eq!(pauses_at(&[0, 1, 2, 8, 79, 80, 81]), [0, 0, 5, 10, 0, 0, 5], "long ago");
    }
}
