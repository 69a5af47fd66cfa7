//! Writes dead letters and reports each as written once the broker has it. An outage is waited out; until then nothing
//! is committed past the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::assignment::Ticket;
use super::client::Topics;
use super::dead_letter::{self, Extent};
use super::produce::{self, Outgoing, Producer};
use super::record::Rejected;
use super::worker::LiveAssignment;
use crate::event::Reason;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::retry::Retry;
use crate::stop::{Stop, StopReason};

/// The name under which the topic is reported as (not) ready.
const COMPONENT: &str = "dead letters";

/// How many dead letters are written together.
const AT_ONCE: usize = 100;

/// The one task that writes dead letters.
pub struct DeadLetterWriter {
    pub producer: Producer,
    pub topics: Arc<Topics>,
    pub assignment: Arc<LiveAssignment>,
    pub metrics: Metrics,
    pub health: Health,
    pub stop: Stop,
}

/// A live record is tried once; trying it again is for an operator to start.
const FIRST_ATTEMPT: u32 = 1;

struct Letter {
    ticket: Ticket,
    rejected: Box<Rejected>,
    extent: Extent,
    /// Whether it is written alone, since the broker refuses a whole batch for the one letter in it that is too large.
    alone: bool,
}

impl DeadLetterWriter {
    /// Writes until the channel is closed and empty, or the process gives up.
    pub async fn run(self, mut rejected: mpsc::UnboundedReceiver<(Ticket, Box<Rejected>)>) {
        let mut received = Vec::with_capacity(AT_ONCE);
        while rejected.recv_many(&mut received, AT_ONCE).await > 0 {
            let mut letters: Vec<Letter> = received
                .drain(..)
                .map(|(ticket, rejected)| Letter { ticket, rejected, extent: Extent::Whole, alone: false })
                .collect();
            let mut retry = Retry::forever();
            while !letters.is_empty() {
                letters = self.write(letters).await;
                if letters.is_empty() {
                    break;
                }
                if let Some(reason) = produce::fatal_reason(&self.producer) {
                    self.stop.now(StopReason::Failure(format!("the dead letters' producer failed for good: {reason}")));
                    return;
                }
                tokio::select! {
                    () = retry.wait() => {}
                    () = self.stop.abandoned() => return,
                }
            }
            self.health.set_ready(COMPONENT);
        }
    }

    /// One attempt at each; gives those that are still to be written.
    async fn write(&self, letters: Vec<Letter>) -> Vec<Letter> {
        let (alone, together): (Vec<Letter>, Vec<Letter>) = letters.into_iter().partition(|letter| letter.alone);
        let mut left = if together.is_empty() { Vec::new() } else { self.write_together(together).await };
        for letter in alone {
            left.extend(self.write_together(vec![letter]).await);
        }
        left
    }

    async fn write_together(&self, letters: Vec<Letter>) -> Vec<Letter> {
        let records: Vec<Outgoing> = letters.iter().map(|letter| self.record(letter)).collect();
        let fates = produce::produce_all(&self.producer, &self.topics.dead_letter, &records).await;
        let pairs = letters.iter().zip(&fates).filter(|(_, fate)| fate.is_ok());
        self.summarize(pairs.map(|(letter, _)| letter));
        let mut left = Vec::new();
        for (mut letter, fate) in letters.into_iter().zip(fates) {
            match fate {
                Ok(()) => self.written(&letter),
                Err(error) => {
                    let is_too_large = produce::is_too_large(&error);
                    let smaller = letter.extent.smaller().filter(|_| is_too_large);
                    match smaller {
                        Some(_) if !letter.alone => letter.alone = true,
                        Some(extent) => letter.extent = extent,
                        None => self.report(&error),
                    }
                    left.push(letter);
                }
            }
        }
        left
    }

    fn record(&self, letter: &Letter) -> Outgoing {
        let topic = self.topics.input(letter.rejected.record.partition.kind);
        dead_letter::dead_letter(&letter.rejected, topic, FIRST_ATTEMPT, letter.extent)
    }

    fn written(&self, letter: &Letter) {
        let record = &letter.rejected.record;
        let rejection = &letter.rejected.rejection;
        self.metrics.dead_letter(rejection.reason);
        debug!(
            topic = self.topics.input(record.partition.kind),
            partition = record.partition.number,
            offset = record.offset,
            reason = rejection.reason.as_str(),
            detail = rejection.detail,
            truncated = letter.extent != Extent::Whole,
            "dead letter",
        );
        self.assignment.written(&[letter.ticket]);
    }

    /// One line a reason and partition, with the first of them as an example: a bad hour stays readable.
    fn summarize<'l>(&self, written: impl Iterator<Item = &'l Letter>) {
        let mut groups: BTreeMap<(Reason, &str, i32), Vec<&Letter>> = BTreeMap::new();
        for letter in written {
            let record = &letter.rejected.record;
            let topic = self.topics.input(record.partition.kind);
            let group = (letter.rejected.rejection.reason, topic, record.partition.number);
            groups.entry(group).or_default().push(letter);
        }
        for ((reason, topic, partition), letters) in groups {
            let Some(first) = letters.first() else { continue };
            warn!(
                topic,
                partition,
                offset = first.rejected.record.offset,
                reason = reason.as_str(),
                detail = first.rejected.rejection.detail,
                count = letters.len(),
                truncated = letters.iter().filter(|letter| letter.extent != Extent::Whole).count(),
                "dead letters written; the first of them is named",
            );
        }
    }

    fn report(&self, error: &rdkafka::error::KafkaError) {
        self.health.set_not_ready(COMPONENT, format!("cannot write to {}: {error}", self.topics.dead_letter));
        warn!(topic = self.topics.dead_letter, %error, "could not write dead letters; nothing is committed past them");
    }
}
