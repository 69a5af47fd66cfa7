//! Feeds the script to the input topics, never far ahead of the service.

use std::time::Duration;

use anyhow::Context as _;
use rdkafka::producer::BaseRecord;

use super::script::ScriptedRecord;
use crate::kafka::client::Topics;
use crate::kafka::delivery;
use crate::kafka::produce::send;
use crate::kafka::producer::Producer;
use crate::metrics::{Metrics, RecordOutcome};

/// How far the records produced may be ahead of those finished. The broker in the process forgets the oldest messages of
/// a partition above 5 MiB; this is far from it.
const LEAD: u64 = 2_000;

/// How many records are produced between two looks at the lead.
const TOGETHER: usize = 250;

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Produces and waits.
pub struct Feeder {
    pub producer: Producer,
    pub topics: Topics,
    pub metrics: Metrics,
    pub produced: u64,
}

/// How many records have ended, in whichever way.
pub fn ended(metrics: &Metrics) -> u64 {
    RecordOutcome::ALL.iter().map(|outcome| metrics.ended(*outcome)).sum()
}

impl Feeder {
    /// Produces one act and waits until all of it has ended. `progress` is told how many records have.
    ///
    /// # Errors
    /// The broker does not take a record.
    pub async fn feed(&mut self, act: &[ScriptedRecord], mut progress: impl FnMut(u64)) -> anyhow::Result<()> {
        for records in act.chunks(TOGETHER) {
            self.wait_until_ended(self.produced.saturating_sub(LEAD), &mut progress).await;
            self.produce(records).await?;
        }
        self.wait_until_ended(self.produced, &mut progress).await;
        Ok(())
    }

    async fn produce(&mut self, records: &[ScriptedRecord]) -> anyhow::Result<()> {
        let (places, fates) = delivery::batch(records.len());
        for (record, place) in records.iter().zip(places) {
            let topic = self.topics.input(record.kind);
            let mut outgoing = BaseRecord::<[u8], [u8]>::to(topic).timestamp(record.timestamp.0);
            outgoing.key = record.key.as_deref().map(str::as_bytes);
            outgoing.payload = record.value.as_deref().map(str::as_bytes);
            send(&self.producer, outgoing, place);
        }
        for fate in fates.all().await {
            fate.context("could not produce an event")?;
            self.produced += 1;
        }
        Ok(())
    }

    async fn wait_until_ended(&self, count: u64, progress: &mut impl FnMut(u64)) {
        loop {
            let ended = ended(&self.metrics);
            progress(ended);
            if ended >= count {
                return;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}
