//! Measures the load of the live service and the database, and compares it with the limits of a job.

use std::fmt;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::throttle::Throttle;
use crate::kafka::client::{Cluster, Topics};
use crate::kafka::client_events::ClientEvents;

/// The deadline of a request to the brokers.
const ANSWER: Duration = Duration::from_secs(5);

/// The measurements beside a running job; a failed one is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pressure {
    /// Records of both topics that the live group has not committed yet.
    pub live_lag: Option<u64>,
    pub outbox_rows: Option<u64>,
    pub db_latency: Option<Duration>,
}

/// The limit that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    LiveLag {
        records: u64,
        limit: u64,
    },
    Outbox {
        rows: u64,
        limit: u64,
    },
    DbLatency {
        ms: u64,
        limit: u64,
    },
    /// The live lag is limited and could not be measured.
    LiveLagUnknown,
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LiveLag { records, limit } => write!(out, "live lag {records} > {limit} records"),
            Self::Outbox { rows, limit } => write!(out, "outbox {rows} > {limit} rows"),
            Self::DbLatency { ms, limit } => write!(out, "database latency {ms} > {limit} ms"),
            Self::LiveLagUnknown => out.write_str("live lag unknown: the brokers have not answered"),
        }
    }
}

impl Pressure {
    /// The first limit that is exceeded.
    pub fn against(&self, throttle: &Throttle) -> Option<Cause> {
        let ms = self.db_latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
        let lag = throttle.max_live_lag.and_then(|limit| match self.live_lag {
            Some(records) => (records > limit).then_some(Cause::LiveLag { records, limit }),
            None => Some(Cause::LiveLagUnknown),
        });
        let outbox = || {
            let (rows, limit) = (self.outbox_rows?, throttle.max_outbox?);
            (rows > limit).then_some(Cause::Outbox { rows, limit })
        };
        let latency = || {
            let (ms, limit) = (ms?, throttle.max_db_latency_ms?);
            (ms > limit).then_some(Cause::DbLatency { ms, limit })
        };
        lag.or_else(outbox).or_else(latency)
    }
}

/// Measures the lag of the live group. Its calls block; it never joins the group.
pub(crate) struct LiveLag {
    consumer: BaseConsumer<ClientEvents>,
    topics: Topics,
}

impl LiveLag {
    /// # Errors
    /// The client cannot be built from its configuration.
    pub fn new(cluster: &Cluster, group: &str, topics: Topics) -> KafkaResult<Self> {
        let config = cluster.reader(group);
        let consumer = BaseConsumer::from_config_and_context(&config, cluster.events("live lag"))?;
        Ok(Self { consumer, topics })
    }

    /// Records between the group's committed offsets and the ends of the input topics. A partition without a committed
    /// offset counts in full.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn measure(&self) -> KafkaResult<u64> {
        ClientEvents::identify(self.consumer.client())?;
        let mut partitions = TopicPartitionList::new();
        for topic in [&self.topics.onboarding_completed, &self.topics.profile_updated] {
            let metadata = self.consumer.fetch_metadata(Some(topic), ANSWER)?;
            for found in metadata.topics() {
                for partition in found.partitions() {
                    partitions.add_partition(topic, partition.id());
                }
            }
        }
        let committed = self.consumer.committed_offsets(partitions, ANSWER)?;
        let mut lag = 0;
        for element in committed.elements() {
            let (first, end) = self.consumer.fetch_watermarks(element.topic(), element.partition(), ANSWER)?;
            let next = match element.offset() {
                Offset::Offset(offset) => offset.max(first),
                _ => first,
            };
            lag += u64::try_from(end - next).unwrap_or(0);
        }
        Ok(lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_stops_a_job_only_when_it_is_exceeded() {
        let throttle =
            Throttle { max_live_lag: Some(10), max_outbox: Some(5), max_db_latency_ms: Some(20), rate: None };
        let calm = Pressure { live_lag: Some(10), outbox_rows: Some(5), db_latency: Some(Duration::from_millis(20)) };
        assert_eq!(calm.against(&throttle), None);
        assert_eq!(calm.against(&Throttle::default()), None);
        let lagging = Pressure { live_lag: Some(11), ..calm };
        assert_eq!(lagging.against(&throttle), Some(Cause::LiveLag { records: 11, limit: 10 }));
        let full = Pressure { outbox_rows: Some(6), ..calm };
        assert_eq!(full.against(&throttle), Some(Cause::Outbox { rows: 6, limit: 5 }));
        let slow = Pressure { db_latency: Some(Duration::from_millis(21)), ..calm };
        assert_eq!(slow.against(&throttle), Some(Cause::DbLatency { ms: 21, limit: 20 }));
    }

    #[test]
    fn a_lag_that_cannot_be_measured_stops_a_job_with_a_lag_limit() {
        let throttle = Throttle { max_live_lag: Some(10), ..Throttle::default() };
        assert_eq!(Pressure::default().against(&throttle), Some(Cause::LiveLagUnknown));
        assert_eq!(Pressure::default().against(&Throttle::default()), None);
    }
}
