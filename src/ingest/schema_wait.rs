//! Where records wait whose schema has to be asked of the registry first. Those of one schema wait in their order; the
//! others go on, for merging does not depend on the order, and offsets are committed only past what is finished.
//!
//! While the registry is unavailable no more records are taken in. Nothing that waits is given up for that.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::assignment::Ticket;
use super::dispatcher::Dispatcher;
use super::record::OriginalRecord;
use crate::codec::Limits;
use crate::codec::framed::SchemaName;
use crate::registry::{Answer, Registry, decode_with};
use crate::runtime::health::Health;
use crate::telemetry::metrics::Metrics;

/// The name under which the registry is reported as (not) ready, from the first question on.
pub const COMPONENT: &str = "schema registry";

/// A record that waits for its schema.
#[derive(Debug)]
pub struct Waiting {
    pub ticket: Ticket,
    pub schema: SchemaName,
    pub record: OriginalRecord,
}

/// Those who wait, and what becomes of them.
pub struct SchemaWait {
    pub registry: Registry,
    pub limits: Limits,
    pub dispatcher: Dispatcher,
    pub watch: Watch,
}

/// Tells of the registry's answers.
#[derive(Clone)]
pub struct Watch {
    /// Set while it is unavailable: nothing is taken in then.
    pub away: Arc<AtomicBool>,
    pub metrics: Metrics,
    pub health: Health,
}

impl SchemaWait {
    /// Runs until nobody can arrive any more. What still waits then is delivered again after a restart.
    pub async fn run(self, mut arrivals: mpsc::UnboundedReceiver<Waiting>) {
        let mut waiting: HashMap<SchemaName, Vec<Waiting>> = HashMap::new();
        let mut questions = JoinSet::new();
        loop {
            tokio::select! {
                arrived = arrivals.recv() => match arrived {
                    Some(arrived) => self.admit(arrived, &mut waiting, &mut questions),
                    None => return,
                },
                Some(learnt) = questions.join_next() => {
                    // A question that panicked ends the process with its part of the service.
                    let Ok(schema) = learnt else { return };
                    for one in waiting.remove(&schema).unwrap_or_default() {
                        self.try_again(one, &mut waiting, &mut questions);
                    }
                }
            }
            self.watch.metrics.registry_waiting.set(waiting.values().map(Vec::len).sum::<usize>() as i64);
        }
    }

    fn admit(
        &self,
        one: Waiting,
        waiting: &mut HashMap<SchemaName, Vec<Waiting>>,
        questions: &mut JoinSet<SchemaName>,
    ) {
        let schema = one.schema;
        let row = waiting.entry(schema).or_default();
        row.push(one);
        if row.len() == 1 {
            let (registry, watch) = (self.registry.clone(), self.watch.clone());
            questions.spawn(async move {
                registry.learn(schema, |answer| watch.tell(answer)).await;
                schema
            });
        }
    }

    fn try_again(
        &self,
        one: Waiting,
        waiting: &mut HashMap<SchemaName, Vec<Waiting>>,
        questions: &mut JoinSet<SchemaName>,
    ) {
        let topic = self.dispatcher.finisher.topics.input(one.ticket.partition.kind);
        let decoded =
            decode_with(Some(&self.registry), &one.record.raw(topic), one.record.schema_header(), &self.limits);
        match decoded {
            Ok(decoded) => self.dispatcher.dispatch(one.ticket, decoded, || one.record),
            // That it is unknown was forgotten in the meantime.
            Err(_) => self.admit(one, waiting, questions),
        }
    }
}

impl Watch {
    /// Hears an answer of the registry.
    pub fn tell(&self, answer: &Answer) {
        self.metrics.registry_answer(answer.as_str());
        let was_unavailable = self.away.swap(matches!(answer, Answer::Unavailable(_)), Ordering::Relaxed);
        match answer {
            Answer::Unavailable(why) => {
                self.health.set_not_ready(COMPONENT, format!("away: {why}"));
                if !was_unavailable {
                    warn!(reason = why, "the schema registry is unavailable; intake stops, what waits for it waits on");
                }
            }
            Answer::Found | Answer::Unknown => {
                self.health.set_ready(COMPONENT);
                if was_unavailable {
                    info!("the schema registry answers again");
                }
            }
        }
    }
}
