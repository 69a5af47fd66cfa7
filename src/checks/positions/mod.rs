//! Where each input partition stands: the group's committed offset, the stored position, and the start that follows from them.
//!
//! ```text
//! report   the facts as a report. Pure
//! ```

mod report;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config::{InitialOffset, KafkaConfig, OutOfRange};
use crate::ingest::start_table::{Facts, OutOfRangeCause, Start};
use crate::kafka::client::{self, Cluster, Topics};
use crate::kafka::client_events::ClientEvents;
use crate::kafka::committed::Committed;
use crate::kafka::ffi;
use crate::kafka::offsets::{self, TopicNow};
use crate::kafka::topic_reader::ReadError;
use crate::store::positions::{PartitionKey, PositionRow};
use crate::store::positions_of_groups::{self, ListedPositions};
use crate::store::sql::Pool;

pub(crate) use report::Report;

/// A group and its input partitions at one moment.
#[derive(Debug, Clone)]
pub(crate) struct GroupFacts {
    pub group: String,
    pub initial: InitialOffset,
    pub out_of_range: OutOfRange,
    /// The number of processes in the group.
    pub members: u64,
    pub partitions: Vec<PartitionFacts>,
    pub stored: ListedPositions,
}

#[derive(Debug, Clone)]
pub(crate) struct PartitionFacts {
    pub topic: String,
    pub key: PartitionKey,
    pub committed: Option<Committed>,
    pub row: PositionRow,
    /// The age of the row.
    pub age: Option<Duration>,
    /// The partition's first offset and its end, or the reason why the brokers do not give them.
    pub range: Result<(i64, i64), String>,
}

impl GroupFacts {
    /// The start of a partition now; `None` where its range is unknown.
    pub fn start(&self, partition: &PartitionFacts) -> Option<Result<Start, OutOfRangeCause>> {
        let (low, high) = *partition.range.as_ref().ok()?;
        let PartitionFacts { committed, row, .. } = *partition;
        let facts = Facts { committed, row, present: self.stored.present, low, high, rewinds: false };
        Some(facts.start(self.initial, self.out_of_range))
    }
}

/// The deadline of one request to the brokers.
const ANSWER: Duration = Duration::from_secs(5);

/// How many partitions the brokers are asked about at once: one without a leader takes the whole deadline.
const AT_ONCE: usize = 16;

/// A client for requests about offsets. It never joins the group.
type Client = Arc<BaseConsumer<ClientEvents>>;

/// Gathers the facts. Beside a running service each answer is older than the next: a position is at least the offset committed
/// from it, and at most the partition's end.
///
/// # Errors
/// The brokers or the database are unavailable or refuse this client, or a topic does not exist.
pub(crate) async fn gather(kafka: &KafkaConfig, topics: &Topics, pool: &Pool) -> anyhow::Result<GroupFacts> {
    let group = kafka.group_id.as_str().to_owned();
    let cluster = Cluster::from(kafka);
    let client = BaseConsumer::from_config_and_context(&cluster.reader(&group), cluster.events("positions"));
    let client: Client = Arc::new(client.context("could not make the Kafka client")?);
    let names = [&topics.onboarding_completed, &topics.profile_updated].map(String::clone);
    let (members, of_topics) = blocking(&client, {
        let group = group.clone();
        move |client| ask(client, &group, names)
    })
    .await??;
    let stored = positions_of_groups::list(pool).await.context("could not read the positions")?;
    let mut partitions: Vec<PartitionFacts> =
        of_topics.into_iter().flat_map(|topic| topic.partitions(&group, &stored)).collect();
    let ranges = ranges(&client, &partitions).await?;
    for (partition, range) in partitions.iter_mut().zip(ranges) {
        partition.range = range;
    }
    drop(tokio::task::spawn_blocking(move || client::close(client)));
    let (initial, out_of_range) = (kafka.initial_offset, kafka.out_of_range);
    Ok(GroupFacts { group, initial, out_of_range, members, partitions, stored })
}

/// An input topic with the committed offset of each partition.
struct AskedTopic {
    name: String,
    now: TopicNow,
    committed: Vec<Option<Committed>>,
}

impl AskedTopic {
    /// Its partitions, without their ranges.
    fn partitions(self, group: &str, stored: &ListedPositions) -> Vec<PartitionFacts> {
        let Self { name, now, committed } = self;
        let partition = |(number, committed)| {
            let key = PartitionKey { topic_id: now.id, partition: number };
            let (row, age) = stored.at_start(group, key);
            PartitionFacts { topic: name.clone(), key, committed, row, age, range: Err(String::new()) }
        };
        (0..).zip(committed).map(partition).collect()
    }
}

fn ask(
    client: &BaseConsumer<ClientEvents>,
    group: &str,
    topics: [String; 2],
) -> Result<(u64, Vec<AskedTopic>), ReadError> {
    let failed = |topic: &str| {
        let topic = topic.to_owned();
        move |error: KafkaError| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                ReadError::Missing(topic)
            }
            Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed) => {
                ReadError::Failed { topic, error }
            }
            _ => ReadError::Unavailable(error.to_string()),
        }
    };
    ClientEvents::identify(client.client()).map_err(|error| ReadError::Unavailable(error.to_string()))?;
    let mut asked = Vec::new();
    for name in topics {
        let now = offsets::topic(client, &name, ANSWER).map_err(failed(&name))?;
        let partitions: Range<i32> = 0..now.partitions;
        let committed = offsets::committed(client, &name, now.id, partitions, ANSWER).map_err(failed(&name))?;
        asked.push(AskedTopic { name, now, committed });
    }
    let members = ffi::members(client.client(), group, ANSWER).map_err(failed(group))?;
    Ok((members, asked))
}

/// The range of each partition, or the reason why it is unknown.
async fn ranges(client: &Client, partitions: &[PartitionFacts]) -> anyhow::Result<Vec<Result<(i64, i64), String>>> {
    let mut running = Vec::new();
    for chunk in partitions.chunks(partitions.len().div_ceil(AT_ONCE).max(1)) {
        let places: Vec<_> = chunk.iter().map(|facts| (facts.topic.clone(), facts.key.partition)).collect();
        running.push(blocking(client, move |client| -> Vec<_> {
            let range = |(topic, partition): &(String, i32)| client.fetch_watermarks(topic, *partition, ANSWER);
            places.iter().map(|place| range(place).map_err(|error| error.to_string())).collect()
        }));
    }
    let mut ranges = Vec::with_capacity(partitions.len());
    for chunk in running {
        ranges.extend(chunk.await?);
    }
    Ok(ranges)
}

/// Starts a blocking call of the client beside the runtime's own threads.
fn blocking<T: Send + 'static>(
    client: &Client,
    call: impl FnOnce(&BaseConsumer<ClientEvents>) -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let client = Arc::clone(client);
    tokio::task::spawn_blocking(move || call(&client))
}
