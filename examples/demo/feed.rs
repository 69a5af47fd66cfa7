//! Produces the script to the input topics; in the demo at most a bounded number of records ahead of the service.

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

/// The two input topics, and the producer to them.
pub struct Input<'d> {
    pub producer: FutureProducer,
    pub onboarding_completed: &'d str,
    pub profile_updated: &'d str,
}

/// The timestamps of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    OfScript,
    /// The time of producing.
    Now,
}

impl Input<'_> {
    /// Produces the records and waits until the broker has acknowledged them.
    ///
    /// # Errors
    /// The broker does not take a record.
    pub async fn produce(&self, records: &[ScriptedRecord], timestamps: Timestamps) -> anyhow::Result<()> {
        let mut deliveries = Vec::new();
        for record in records {
            let topic = match record.kind {
                Kind::OnboardingCompleted => self.onboarding_completed,
                Kind::ProfileUpdated => self.profile_updated,
            };
            let mut outgoing = FutureRecord::<str, str>::to(topic);
            if timestamps == Timestamps::OfScript {
                outgoing = outgoing.timestamp(record.timestamp.0);
            }
            outgoing.key = record.key.as_deref();
            outgoing.payload = record.value.as_deref();
            deliveries.push(self.producer.send_result(outgoing).map_err(|(error, _)| error)?);
        }
        for delivery in deliveries {
            delivery.await?.map_err(|(error, _)| error)?;
        }
        Ok(())
    }
}

pub struct Feeder<'d> {
    pub input: Input<'d>,
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
            self.input.produce(records, Timestamps::OfScript).await.context("could not produce an event")?;
            self.produced += records.len() as u64;
        }
        self.wait_until_finished(self.produced).await;
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
