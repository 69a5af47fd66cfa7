//! Produces the script to the input topics, at most a bounded number of records ahead of the service.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::ProgressBar;
use rdkafka::producer::{FutureProducer, FutureRecord};
use segmenter::domain::event::Kind;
use segmenter::telemetry::metrics::{Metrics, RecordOutcome};

use super::script::ScriptedRecord;

/// The most records produced and not finished. The broker in the process drops the oldest messages of a partition above
/// 5 MiB; this is far below.
const LEAD: u64 = 2_000;

/// Records produced between two checks of the lead.
const CHUNK: usize = 250;

const CHECK_INTERVAL: Duration = Duration::from_millis(10);

pub struct Feeder<'d> {
    pub producer: FutureProducer,
    /// The names of the two input topics.
    pub onboarding_completed: &'d str,
    pub profile_updated: &'d str,
    pub metrics: Metrics,
    pub progress: ProgressBar,
    /// Records that the broker acknowledged.
    pub produced: u64,
    /// When the first record was finished.
    pub first_end: Option<Instant>,
}

impl Feeder<'_> {
    /// Produces one phase and waits until all of its records are finished.
    ///
    /// # Errors
    /// The broker does not take a record.
    pub async fn feed(&mut self, phase: &[ScriptedRecord]) -> anyhow::Result<()> {
        for records in phase.chunks(CHUNK) {
            self.wait_until_finished(self.produced.saturating_sub(LEAD)).await;
            self.produce(records).await.context("could not produce an event")?;
        }
        self.wait_until_finished(self.produced).await;
        Ok(())
    }

    async fn produce(&mut self, records: &[ScriptedRecord]) -> anyhow::Result<()> {
        let mut deliveries = Vec::new();
        for record in records {
            let topic = match record.kind {
                Kind::OnboardingCompleted => self.onboarding_completed,
                Kind::ProfileUpdated => self.profile_updated,
            };
            let mut outgoing = FutureRecord::<str, str>::to(topic).timestamp(record.timestamp.0);
            outgoing.key = record.key.as_deref();
            outgoing.payload = record.value.as_deref();
            deliveries.push(self.producer.send_result(outgoing).map_err(|(error, _)| error)?);
        }
        for delivery in deliveries {
            delivery.await?.map_err(|(error, _)| error)?;
            self.produced += 1;
        }
        Ok(())
    }

    async fn wait_until_finished(&mut self, count: u64) {
        loop {
            let finished = RecordOutcome::ALL.iter().map(|outcome| self.metrics.ended(*outcome)).sum();
            if finished > 0 && self.first_end.is_none() {
                self.first_end = Some(Instant::now());
                self.progress.reset_elapsed();
            }
            self.progress.set_position(finished);
            if finished >= count {
                return;
            }
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
    }
}
