//! Raw consuming: librdkafka with the service's own properties reads a backlog, and nobody looks at the records.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use segmenter::kafka::client::Cluster;

use crate::backlog::{Backlog, PARTITIONS};
use crate::processes::own_cpu_seconds;
use crate::world::World;

/// What reading a record takes.
#[derive(Debug, Clone, Copy)]
pub struct Consumed {
    pub records_per_second: f64,
    /// CPU of the consuming process, µs.
    pub cpu: f64,
}

/// Reads the backlog from its beginning to its end, measured from the first record on.
pub async fn measure(world: &World, backlog: &Backlog) -> Consumed {
    let consumer = reader(&cluster(world), &[&backlog.topics.onboarding, &backlog.topics.updates]);
    let records = backlog.records;
    tokio::task::spawn_blocking(move || {
        next(&consumer);
        let (started, cpu) = (Instant::now(), own_cpu_seconds());
        for _ in 1..records {
            next(&consumer);
        }
        let more = (records - 1) as f64;
        Consumed {
            records_per_second: more / started.elapsed().as_secs_f64(),
            cpu: 1e6 * (own_cpu_seconds() - cpu) / more,
        }
    })
    .await
    .expect("consuming does not panic")
}

/// The broker, as the service is told of it.
pub fn cluster(world: &World) -> Cluster {
    Cluster {
        properties: vec![
            ("bootstrap.servers".to_owned(), world.kafka.brokers().to_owned()),
            ("client.id".to_owned(), "bench".to_owned()),
        ],
    }
}

/// Reads all partitions of the topics from their beginning, with the service's own properties.
pub fn reader(cluster: &Cluster, topics: &[&str]) -> BaseConsumer {
    let config = cluster.consumer("bench", Duration::from_secs(45), Duration::from_secs(300));
    let mut beginnings = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..PARTITIONS {
            beginnings.add_partition_offset(topic, partition, Offset::Beginning).expect("a valid offset");
        }
    }
    let consumer: BaseConsumer = config.create().expect("a valid client");
    consumer.assign(&beginnings).expect("the topics can be read");
    consumer
}

/// The next record, which has to be there.
pub fn next(consumer: &BaseConsumer) -> BorrowedMessage<'_> {
    consumer.poll(Duration::from_secs(30)).expect("there are more records").expect("the topics can be read")
}
