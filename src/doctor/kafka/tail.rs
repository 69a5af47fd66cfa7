//! Looking at the newest records of a topic, without joining the group and without committing anything.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::Partition;
use super::gather::{Deadline, untold};
use crate::doctor::finding::Answer;

/// How many records of each partition are looked at.
const NEWEST: i64 = 1_000;
/// How long the records of one topic may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// What the newest records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail {
    pub read: u64,
    /// Those with a key and without a value.
    pub nulls: u64,
    /// Whether there was time for all.
    pub complete: bool,
}

impl Tail {
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.nulls += other.nulls;
        self.complete &= other.complete;
    }
}

/// Reads the newest records of the partitions whose range is known.
pub(super) fn read<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[Partition],
    deadline: Deadline,
) -> Answer<Tail> {
    let right = || format!("Read on topic {topic}");
    let tail = read_assigned(consumer, topic, partitions, deadline.within(PATIENCE));
    // Nothing is fetched any more for what comes after.
    let unassigned = consumer.assign(&TopicPartitionList::new());
    tail.and_then(|tail| unassigned.map(|()| tail)).map_err(|error| untold(&error, right))
}

fn read_assigned<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[Partition],
    deadline: Deadline,
) -> KafkaResult<Tail> {
    let mut assignment = TopicPartitionList::new();
    let mut unfinished = BTreeSet::new();
    for partition in partitions {
        // An empty one is asked too: its end is an answer, and without the right to read there is none.
        let Some((low, high)) = partition.range else { continue };
        assignment.add_partition_offset(topic, partition.number, Offset::Offset(low.max(high - NEWEST)))?;
        unfinished.insert((partition.number, high));
    }
    consumer.assign(&assignment)?;
    let mut tail = Tail::default();
    while !unfinished.is_empty() && !deadline.is_over() {
        match consumer.poll(deadline.left()) {
            None => {}
            Some(Ok(record)) => {
                let end = unfinished.iter().find(|(number, _)| *number == record.partition()).copied();
                // What is newer than our look at the ends is not asked for.
                let Some(end) = end.filter(|(_, high)| record.offset() < *high) else { continue };
                tail.read += 1;
                tail.nulls += u64::from(record.key().is_some() && record.payload().is_none());
                if record.offset() + 1 == end.1 {
                    unfinished.remove(&end);
                }
            }
            Some(Err(KafkaError::PartitionEOF(ended))) => unfinished.retain(|(number, _)| *number != ended),
            Some(Err(error)) if is_passing(&error) => {}
            Some(Err(error)) => return Err(error),
        }
    }
    tail.complete = unfinished.is_empty();
    Ok(tail)
}

/// Lost connections are made anew by the client itself.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
        )
    )
}
