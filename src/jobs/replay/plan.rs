//! Which offsets a replay reads, fixed at its start: what comes later is not its business.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};
use serde::Serialize;

use super::bound::Bound;
use crate::event::Millis;
use crate::halt::Halt;
use crate::jobs::spec::Range;
use crate::kafka::client::{ClientEvents, Cluster};

/// How long the brokers may take to answer one question.
const ANSWER: Duration = Duration::from_secs(10);

/// What to replay.
#[derive(Debug, Clone)]
pub struct Wish {
    pub topics: Vec<String>,
    pub from: Bound,
    pub to: Bound,
    /// The present, from which how long ago is taken.
    pub now: Millis,
    /// Only these; all, if there are none.
    pub partitions: Vec<i32>,
}

/// One partition of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedRange {
    #[serde(flatten)]
    pub range: Range,
    /// The first offset that the brokers still have.
    pub earliest: i64,
    pub gap: Option<Gap>,
}

/// What was asked for and is, or may be, gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Gap {
    /// So many offsets from the start on are gone.
    Offsets(u64),
    /// The oldest record that is left is younger than the start, and older ones have gone: nobody knows how young those were.
    OlderRecordsGone,
}

/// The offsets that `wish` means now. Blocks.
///
/// # Errors
/// The brokers are away, a topic or partition is not there, or the bounds make no sense.
pub fn plan(cluster: &Cluster, group: &str, wish: &Wish) -> Result<Vec<PlannedRange>, Halt> {
    let config = cluster.reader(group);
    let consumer = BaseConsumer::from_config_and_context(&config, ClientEvents::new("planner"))
        .map_err(|error| Halt::Failed(error.to_string()))?;
    let mut planned = Vec::new();
    for topic in &wish.topics {
        let partitions = chosen(&existing(&consumer, topic)?, wish, topic)?;
        planned.extend(plan_topic(&consumer, topic, &partitions, wish).map_err(|error| away(&error))?);
    }
    Ok(planned)
}

fn away(error: &KafkaError) -> Halt {
    Halt::Away(format!("Kafka: {error}"))
}

fn existing(consumer: &BaseConsumer<ClientEvents>, topic: &str) -> Result<Vec<i32>, Halt> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER).map_err(|error| away(&error))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let mut partitions: Vec<i32> =
        found.iter().flat_map(|found| found.partitions()).map(|partition| partition.id()).collect();
    if partitions.is_empty() {
        return Err(Halt::Refused(format!("the topic {topic} does not exist")));
    }
    partitions.sort_unstable();
    Ok(partitions)
}

/// Those that the wish names, or all.
fn chosen(existing: &[i32], wish: &Wish, topic: &str) -> Result<Vec<i32>, Halt> {
    let in_bound = |bound: &Bound| match bound {
        Bound::Offsets(offsets) => Some(offsets.keys().copied().collect::<Vec<i32>>()),
        _ => None,
    };
    let listed = (!wish.partitions.is_empty()).then(|| wish.partitions.clone());
    let named: Vec<Vec<i32>> = [listed, in_bound(&wish.from), in_bound(&wish.to)].into_iter().flatten().collect();
    if let Some(missing) = named.iter().flatten().find(|partition| !existing.contains(partition)) {
        return Err(Halt::Refused(format!("{topic} has no partition {missing}")));
    }
    Ok(existing.iter().copied().filter(|partition| named.iter().all(|names| names.contains(partition))).collect())
}

fn plan_topic(
    consumer: &BaseConsumer<ClientEvents>,
    topic: &str,
    partitions: &[i32],
    wish: &Wish,
) -> KafkaResult<Vec<PlannedRange>> {
    let from_times = resolved(consumer, topic, partitions, &wish.from, wish.now)?;
    let to_times = resolved(consumer, topic, partitions, &wish.to, wish.now)?;
    let mut planned = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let (earliest, latest) = consumer.fetch_watermarks(topic, *partition, ANSWER)?;
        let place = |bound: &Bound, times: &BTreeMap<i32, i64>| match bound {
            Bound::Earliest => earliest,
            Bound::Latest => latest,
            Bound::Offsets(offsets) => offsets.get(partition).copied().unwrap_or(latest),
            Bound::At(_) => times.get(partition).copied().unwrap_or(latest),
        };
        let asked = place(&wish.from, &from_times);
        let end = place(&wish.to, &to_times).clamp(earliest, latest);
        let first = asked.clamp(earliest, end);
        let gap = gap(&wish.from, asked, earliest);
        let range = Range { topic: topic.to_owned(), partition: *partition, first, end };
        planned.push(PlannedRange { range, earliest, gap });
    }
    Ok(planned)
}

fn gap(from: &Bound, asked: i64, earliest: i64) -> Option<Gap> {
    match from {
        Bound::Offsets(_) => u64::try_from(earliest - asked).ok().filter(|gone| *gone > 0).map(Gap::Offsets),
        Bound::At(_) => (earliest > 0 && asked <= earliest).then_some(Gap::OlderRecordsGone),
        Bound::Earliest | Bound::Latest => None,
    }
}

/// The first offset of each partition at or after a time; partitions without one are absent.
fn resolved(
    consumer: &BaseConsumer<ClientEvents>,
    topic: &str,
    partitions: &[i32],
    bound: &Bound,
    now: Millis,
) -> KafkaResult<BTreeMap<i32, i64>> {
    let Bound::At(moment) = bound else { return Ok(BTreeMap::new()) };
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        asked.add_partition_offset(topic, *partition, Offset::Offset(moment.at(now).0))?;
    }
    let found = consumer.offsets_for_times(asked, ANSWER)?;
    let offset = |offset| match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    };
    Ok(found.elements().iter().filter_map(|found| Some((found.partition(), offset(found.offset())?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Moment;

    #[test]
    fn a_gap_is_what_was_asked_for_and_has_gone() {
        let offsets = Bound::Offsets(BTreeMap::from([(0, 5)]));
        assert_eq!(gap(&offsets, 5, 8), Some(Gap::Offsets(3)));
        assert_eq!(gap(&offsets, 5, 5), None);
        let time = Bound::At(Moment::At(Millis(0)));
        assert_eq!(gap(&time, 8, 8), Some(Gap::OlderRecordsGone));
        assert_eq!(gap(&time, 9, 8), None, "an older record is still there");
        assert_eq!(gap(&time, 0, 0), None, "nothing has gone");
        assert_eq!(gap(&Bound::Earliest, 8, 8), None, "whatever is there was asked for");
    }
}
