//! Writes dead letters, and marks each as written once the broker has acknowledged it. Waits out an outage; until then no
//! offset past the record is committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::assignment::Ticket;
use super::dead_letter::Extent;
use super::dead_letter_batch::{self, Attempt, PendingDeadLetter};
use super::record::Rejected;
use super::worker::LiveAssignment;
use crate::domain::event::Reason;
use crate::kafka::client::Topics;
use crate::kafka::producer::{self, Producer};
use crate::runtime::health::Health;
use crate::runtime::retry::Retry;
use crate::runtime::stop::{Stop, StopReason};
use crate::telemetry::metrics::Metrics;

/// The name under which the topic is reported as (not) ready.
pub(crate) const COMPONENT: &str = "dead letters";

/// How many dead letters are written together.
const AT_ONCE: usize = 100;

/// The one task that writes dead letters.
pub(crate) struct DeadLetterWriter {
    pub producer: Producer,
    pub topics: Arc<Topics>,
    pub assignment: Arc<LiveAssignment>,
    pub metrics: Metrics,
    pub health: Health,
    pub stop: Stop,
}

/// A live record is processed once; a redrive, started by an operator, processes it again.
const FIRST_ATTEMPT: u32 = 1;

type NewestDeadLetter = PendingDeadLetter<Ticket>;

impl DeadLetterWriter {
    /// Writes until the channel is closed and empty, or the process gives up.
    pub async fn run(self, mut rejected: mpsc::UnboundedReceiver<(Ticket, Box<Rejected>)>) {
        let mut received = Vec::with_capacity(AT_ONCE);
        while rejected.recv_many(&mut received, AT_ONCE).await > 0 {
            let dead_letter =
                |(ticket, rejected): (Ticket, Box<Rejected>)| PendingDeadLetter::new(ticket, *rejected, FIRST_ATTEMPT);
            if !self.write(received.drain(..).map(dead_letter).collect()).await {
                return;
            }
            self.health.set_ready(COMPONENT);
        }
    }

    /// Writes these, waiting out an outage; false when the process gives up.
    async fn write(&self, mut dead_letters: Vec<NewestDeadLetter>) -> bool {
        let mut retry = Retry::forever();
        loop {
            let Attempt { written, left, error } =
                dead_letter_batch::attempt(&self.producer, &self.topics, dead_letters).await;
            self.summarize(&written);
            written.iter().for_each(|dead_letter| self.written(dead_letter));
            dead_letters = left;
            if dead_letters.is_empty() {
                return true;
            }
            let Some(error) = error else { continue };
            self.report(&error);
            if let Some(reason) = producer::not_allowed(&error, &self.topics.dead_letter) {
                self.stop.now(StopReason::Failure(reason));
                return false;
            }
            if let Some(reason) = self.producer.fatal_reason() {
                self.stop.now(StopReason::Failure(format!("the dead letters' producer failed for good: {reason}")));
                return false;
            }
            retry.wait().await;
        }
    }

    fn written(&self, dead_letter: &NewestDeadLetter) {
        let record = &dead_letter.rejected.record;
        let rejection = &dead_letter.rejected.rejection;
        self.metrics.dead_letter(rejection.reason);
        debug!(
            topic = self.topics.input(record.partition.kind),
            partition = record.partition.number,
            offset = record.offset,
            trace_id = record.trace_id(),
            reason = rejection.reason.as_str(),
            detail = rejection.detail,
            truncated = dead_letter.extent != Extent::Whole,
            "dead letter",
        );
        self.assignment.written(&[dead_letter.mark]);
    }

    /// Logs one line for each reason and partition, with the first dead letter as an example, so that many stay readable.
    fn summarize(&self, written: &[NewestDeadLetter]) {
        let mut groups: BTreeMap<(Reason, &str, i32), Vec<&NewestDeadLetter>> = BTreeMap::new();
        for dead_letter in written {
            let record = &dead_letter.rejected.record;
            let topic = self.topics.input(record.partition.kind);
            let group = (dead_letter.rejected.rejection.reason, topic, record.partition.number);
            groups.entry(group).or_default().push(dead_letter);
        }
        for ((reason, topic, partition), dead_letters) in groups {
            let Some(first) = dead_letters.first() else { continue };
            warn!(
                topic,
                partition,
                offset = first.rejected.record.offset,
                trace_id = first.rejected.record.trace_id(),
                reason = reason.as_str(),
                detail = first.rejected.rejection.detail,
                count = dead_letters.len(),
                truncated = dead_letters.iter().filter(|dead_letter| dead_letter.extent != Extent::Whole).count(),
                "dead letters written; this line names the first",
            );
        }
    }

    fn report(&self, error: &rdkafka::error::KafkaError) {
        self.health.set_not_ready(COMPONENT, format!("cannot write to {}: {error}", self.topics.dead_letter));
        warn!(topic = self.topics.dead_letter, %error, "could not write dead letters; no offset past them is committed");
    }
}
