//! Writes the positions of the partitions that are read: once a second beside the consumer loop, and at once where partitions
//! are given up. Only a position that the database has confirmed is committed to Kafka.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::assignment::{Answered, PartitionClaim};
use super::rewinds::Rewinds;
use super::worker::LiveAssignment;
use crate::kafka::client::Topics;
use crate::kafka::partition::Partition;
use crate::runtime::health::Health;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::positions::{self, Answer, PartitionKey};

/// The name under which positions that cannot be written are reported as not ready.
pub(crate) const COMPONENT: &str = "positions";
/// How the reason begins where rows are gone.
pub(crate) const VANISHED: &str = "vanished from the database";

/// The deadline of a write where partitions are given up.
const LAST_WRITE: Duration = Duration::from_secs(3);

/// The positions of this process. Used by the consumer thread only; its calls do not block unless their text states it.
pub(crate) struct Positions {
    pub store: Store,
    group: String,
    topics: Arc<Topics>,
    assignment: Arc<LiveAssignment>,
    rewinds: Rewinds,
    health: Health,
    runtime: Handle,
    in_flight: Mutex<Option<InFlight>>,
}

/// A write without an answer yet.
struct InFlight {
    claims: Vec<PartitionClaim>,
    answer: JoinHandle<Result<Vec<(PartitionKey, Answer)>, StoreError>>,
}

impl Positions {
    /// The positions of a group. Called on the runtime that runs the writes.
    pub(crate) fn new(
        store: &Store,
        group: &str,
        topics: &Arc<Topics>,
        assignment: &Arc<LiveAssignment>,
        rewinds: &Rewinds,
        health: &Health,
    ) -> Self {
        Self {
            store: store.clone(),
            group: group.to_owned(),
            topics: Arc::clone(topics),
            assignment: Arc::clone(assignment),
            rewinds: rewinds.clone(),
            health: health.clone(),
            runtime: Handle::current(),
            in_flight: Mutex::new(None),
        }
    }

    /// Begins to write the positions of all partitions that are read, unless a write is in flight.
    pub(crate) fn begin(&self) {
        let mut in_flight = self.in_flight();
        if in_flight.is_none() {
            let claims = self.assignment.claims(None);
            if !claims.is_empty() {
                *in_flight = Some(self.send(claims));
            }
        }
    }

    /// The effects of the write in flight, once it has ended.
    pub(crate) fn take_answered(&self) -> Option<Answered> {
        let ended = self.in_flight().take_if(|in_flight| in_flight.answer.is_finished())?;
        Some(self.finish(ended))
    }

    /// Writes the positions of these partitions and waits for the answer, up to a deadline. Blocks.
    pub(crate) fn write_now(&self, partitions: &[Partition]) -> Answered {
        let earlier = self.in_flight().take();
        let mut answered = Answered::default();
        if let Some(earlier) = earlier {
            let Answered { lost, vanished } = self.finish(earlier);
            answered.lost.extend(lost);
            answered.vanished.extend(vanished);
        }
        let claims = self.assignment.claims(Some(partitions));
        if !claims.is_empty() {
            let Answered { lost, vanished } = self.finish(self.send(claims));
            answered.lost.extend(lost);
            answered.vanished.extend(vanished);
        }
        answered
    }

    fn send(&self, claims: Vec<PartitionClaim>) -> InFlight {
        let to_write: Vec<_> = claims.iter().map(|claim| claim.claim).collect();
        let (pool, group) = (self.store.pool.clone(), self.group.clone());
        let answer = self.runtime.spawn(async move { positions::confirm(&pool, &group, &to_write).await });
        InFlight { claims, answer }
    }

    /// Waits for the answer; after a deadline none counts.
    fn finish(&self, InFlight { claims, mut answer }: InFlight) -> Answered {
        let waited = self.runtime.block_on(async { tokio::time::timeout(LAST_WRITE, &mut answer).await });
        let answers = match waited {
            Ok(Ok(Ok(answers))) => answers,
            Ok(Ok(Err(error))) => return self.unconfirmed(&error.detail()),
            Ok(Err(error)) => return self.unconfirmed(&error.to_string()),
            Err(_) => {
                answer.abort();
                return self.unconfirmed(&StoreError::TimedOut(LAST_WRITE).detail());
            }
        };
        let answers: HashMap<PartitionKey, Answer> = answers.into_iter().collect();
        let answered = self.assignment.answer(&claims, &answers);
        self.report(&answered);
        answered
    }

    fn unconfirmed(&self, why: &str) -> Answered {
        self.health.set_not_ready(COMPONENT, format!("not confirmed by the database: {why}"));
        warn!(reason = why, "the database did not confirm the positions; no offset is committed until it does");
        Answered::default()
    }

    fn report(&self, Answered { lost, vanished }: &Answered) {
        for (partition, loss) in lost {
            let (topic, number) = (self.topics.input(partition.kind), partition.number);
            if loss.is_idle {
                info!(
                    topic,
                    partition = number,
                    "the database was started anew; the partition starts anew where it was"
                );
                continue;
            }
            self.rewinds.count(*partition, loss.confirmed, loss.stored);
            error!(
                topic,
                partition = number,
                confirmed = loss.confirmed,
                stored = loss.stored,
                "the database went back in time or changed its server: it may have lost what was applied after the stored \
                 offset, and the partition is read again from there"
            );
        }
        let names: Vec<String> = vanished
            .iter()
            .map(|partition| format!("{}[{}]", self.topics.input(partition.kind), partition.number))
            .collect();
        if names.is_empty() {
            self.health.set_ready(COMPONENT);
        } else {
            let names = names.join(", ");
            warn!(
                partitions = names,
                "the database no longer has the positions of partitions; it may be being restored"
            );
            self.health.set_not_ready(COMPONENT, format!("{VANISHED}: {names}"));
        }
    }

    fn in_flight(&self) -> MutexGuard<'_, Option<InFlight>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
