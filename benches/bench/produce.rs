//! Raw producing: librdkafka with the service's own properties is given records that the service has said, once more, in lists
//! as its publisher gives them.

use std::time::Instant;

use bytes::Bytes;
use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::OwnedHeaders;
use segmenter::kafka::produce::{Outgoing, produce_all};
use segmenter::kafka::producer::Producer;

use crate::backlog::{Backlog, PARTITIONS};
use crate::consume::{cluster, next, reader};
use crate::processes::own_cpu_seconds;
use crate::world::World;

/// Records in a list, as the publisher commonly has.
const LIST: usize = 500;
/// How many records are enough.
const MOST: usize = 100_000;

/// What producing a record takes.
#[derive(Debug, Clone, Copy)]
pub struct Produced {
    pub records_per_second: f64,
    /// CPU of the producing process, µs.
    pub cpu: f64,
}

/// Produces what was said of a backlog to a new topic, measured from the second list on.
pub async fn measure(world: &World, backlog: &Backlog) -> Produced {
    let cluster = cluster(world);
    let topic = world.kafka.create_topic("said-again", PARTITIONS, &[]).await;
    let said: i64 = world.kafka.end_offsets(&backlog.topics.changes).await.into_iter().sum();
    let count = usize::try_from(said).expect("few records").min(MOST);
    let mut lists = said_records(reader(&cluster, &[&backlog.topics.changes]), count).await.into_iter();
    let producer = cluster.named_producer("bench").expect("a valid client");
    let first = lists.next().expect("the service has said something");
    let mut left = count - first.len();
    produce(&producer, &topic, first).await;
    let (started, cpu, records) = (Instant::now(), own_cpu_seconds(), left as f64);
    for list in lists {
        left -= list.len();
        produce(&producer, &topic, list).await;
    }
    assert_eq!(left, 0);
    Produced {
        records_per_second: records / started.elapsed().as_secs_f64(),
        cpu: 1e6 * (own_cpu_seconds() - cpu) / records,
    }
}

async fn produce(producer: &Producer, topic: &str, list: Vec<Outgoing>) {
    for fate in produce_all(producer, topic, list).await {
        fate.expect("the broker takes all");
    }
}

/// The first `count` records, in lists.
async fn said_records(consumer: BaseConsumer, count: usize) -> Vec<Vec<Outgoing>> {
    tokio::task::spawn_blocking(move || {
        let mut lists: Vec<Vec<Outgoing>> = Vec::new();
        for place in 0..count {
            let message = next(&consumer);
            if place % LIST == 0 {
                lists.push(Vec::with_capacity(LIST));
            }
            lists.last_mut().expect("one was just begun").push(Outgoing {
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(Bytes::copy_from_slice),
                headers: message.headers().map_or_else(OwnedHeaders::new, rdkafka::message::BorrowedHeaders::detach),
            });
        }
        lists
    })
    .await
    .expect("reading does not panic")
}
