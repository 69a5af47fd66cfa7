//! Decoded records in flight to the database, in one queue a worker. All records of a user are in the same queue.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::mpsc;

use super::assignment::Ticket;
use super::record::OriginalRecord;
use crate::domain::event::{Event, UserId};

/// A decoded record in flight to the database.
#[derive(Debug)]
pub(crate) struct Work {
    pub ticket: Ticket,
    pub event: Event,
    /// Kept until the event is committed, in case it has to be dead-lettered.
    pub record: OriginalRecord,
}

impl Work {
    pub(super) fn bytes(&self) -> usize {
        self.record.value.as_ref().map_or(0, |value| value.len())
    }
}

/// The queues of all workers.
#[derive(Debug, Clone)]
pub(crate) struct WorkQueues(Vec<mpsc::UnboundedSender<Work>>);

impl WorkQueues {
    /// One queue for each worker; the in-flight budget bounds their contents.
    pub fn new(workers: usize) -> (Self, Vec<mpsc::UnboundedReceiver<Work>>) {
        let (senders, receivers) = (0..workers.max(1)).map(|_| mpsc::unbounded_channel()).unzip();
        (Self(senders), receivers)
    }

    /// Queues the event with the worker of its user.
    pub fn send(&self, work: Work) {
        let worker = worker_of(&work.event.user, self.0.len());
        // A worker is gone only when the process gives up; the record stays uncommitted.
        if let Some(queue) = self.0.get(worker) {
            let _ = queue.send(work);
        }
    }
}

fn worker_of(user: &UserId, workers: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    let workers = workers.max(1) as u64;
    usize::try_from(hasher.finish() % workers).unwrap_or(0)
}
