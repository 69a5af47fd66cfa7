//! Produces dead letters: together at first, one by one and truncated where the broker rejects one as too large.

use rdkafka::error::KafkaError;

use super::dead_letter::{self, Extent};
use super::record::Rejected;
use crate::kafka::client::Topics;
use crate::kafka::producer::{self, Outgoing, Producer};

/// A dead letter still to be written; `mark` is opaque to this module.
#[derive(Debug)]
pub struct PendingDeadLetter<M> {
    pub mark: M,
    pub rejected: Rejected,
    /// How often the record has been processed.
    pub attempts: u32,
    /// How much of it is written.
    pub extent: Extent,
    /// Whether it is written alone: the broker rejects a whole batch for one record that is too large.
    alone: bool,
}

impl<M> PendingDeadLetter<M> {
    /// To be written whole, together with others.
    pub fn new(mark: M, rejected: Rejected, attempts: u32) -> Self {
        Self { mark, rejected, attempts, extent: Extent::Whole, alone: false }
    }

    /// Prepares the next attempt after the broker rejected it, or its batch, as too large; false if no smaller extent is left.
    fn shrink(&mut self) -> bool {
        match self.extent.smaller() {
            Some(_) if !self.alone => self.alone = true,
            Some(extent) => self.extent = extent,
            None => return false,
        }
        true
    }
}

/// The result of one attempt.
#[derive(Debug)]
pub struct Attempt<M> {
    pub written: Vec<PendingDeadLetter<M>>,
    /// Still to be written.
    pub left: Vec<PendingDeadLetter<M>>,
    /// The error, if one of them failed for another reason than its size; an immediate retry would fail too.
    pub error: Option<KafkaError>,
}

/// Produces each of `dead_letters` once and waits for all delivery reports.
pub async fn attempt<M>(producer: &Producer, topics: &Topics, dead_letters: Vec<PendingDeadLetter<M>>) -> Attempt<M> {
    let (alone, together): (Vec<PendingDeadLetter<M>>, Vec<PendingDeadLetter<M>>) =
        dead_letters.into_iter().partition(|dead_letter| dead_letter.alone);
    let mut attempt = Attempt { written: Vec::new(), left: Vec::new(), error: None };
    write(producer, topics, together, &mut attempt).await;
    for dead_letter in alone {
        write(producer, topics, vec![dead_letter], &mut attempt).await;
    }
    attempt
}

async fn write<M>(
    producer: &Producer,
    topics: &Topics,
    dead_letters: Vec<PendingDeadLetter<M>>,
    attempt: &mut Attempt<M>,
) {
    let record = |dead_letter: &PendingDeadLetter<M>| {
        let topic = topics.input(dead_letter.rejected.record.partition.kind);
        dead_letter::dead_letter(&dead_letter.rejected, topic, dead_letter.attempts, dead_letter.extent)
    };
    let records: Vec<Outgoing> = dead_letters.iter().map(record).collect();
    let deliveries = producer.produce_all(&topics.dead_letter, records).await;
    for (mut dead_letter, delivery) in dead_letters.into_iter().zip(deliveries) {
        match delivery {
            Ok(()) => attempt.written.push(dead_letter),
            Err(error) => {
                if !(producer::is_too_large(&error) && dead_letter.shrink()) {
                    attempt.error = Some(error);
                }
                attempt.left.push(dead_letter);
            }
        }
    }
}
