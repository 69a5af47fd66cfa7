//! Holds records whose schema has to be requested from the registry first. Records of one schema wait in order; other records
//! overtake them, which is safe: merging does not depend on order, and offsets are committed only past finished records.
//!
//! While the registry is unavailable the intake is closed. Waiting records are kept.

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

/// The name under which the registry is reported as (not) ready, from the first request on.
pub(crate) const COMPONENT: &str = "schema registry";

/// A record that waits for its schema.
#[derive(Debug)]
pub struct Waiting {
    pub ticket: Ticket,
    pub schema: SchemaName,
    pub record: OriginalRecord,
}

/// Holds records until their schema is known, then dispatches them.
pub(crate) struct SchemaWait {
    pub registry: Registry,
    pub limits: Limits,
    pub dispatcher: Dispatcher,
    pub watch: Watch,
}

/// Reports the registry's answers: metrics, readiness, intake.
#[derive(Clone)]
pub(crate) struct Watch {
    /// Set while the registry is unavailable; closes the intake.
    pub unavailable: Arc<AtomicBool>,
    pub metrics: Metrics,
    pub health: Health,
}

impl SchemaWait {
    /// Runs until the channel is closed. Records that still wait then are delivered again after a restart.
    pub async fn run(self, mut arrivals: mpsc::UnboundedReceiver<Waiting>) {
        let mut waiting: HashMap<SchemaName, Vec<Waiting>> = HashMap::new();
        let mut requests = JoinSet::new();
        loop {
            tokio::select! {
                arrived = arrivals.recv() => match arrived {
                    Some(arrived) => self.admit(arrived, &mut waiting, &mut requests),
                    None => return,
                },
                Some(learned) = requests.join_next() => {
                    // A request that panicked ends this task, and with it the process.
                    let Ok(schema) = learned else { return };
                    for one in waiting.remove(&schema).unwrap_or_default() {
                        self.try_again(one, &mut waiting, &mut requests);
                    }
                }
            }
            self.watch.metrics.registry_waiting.set(waiting.values().map(Vec::len).sum::<usize>() as i64);
        }
    }

    fn admit(&self, one: Waiting, waiting: &mut HashMap<SchemaName, Vec<Waiting>>, requests: &mut JoinSet<SchemaName>) {
        let schema = one.schema;
        let row = waiting.entry(schema).or_default();
        row.push(one);
        if row.len() == 1 {
            let (registry, watch) = (self.registry.clone(), self.watch.clone());
            requests.spawn(async move {
                registry.learn(schema, |answer| watch.observe(answer)).await;
                schema
            });
        }
    }

    fn try_again(
        &self,
        one: Waiting,
        waiting: &mut HashMap<SchemaName, Vec<Waiting>>,
        requests: &mut JoinSet<SchemaName>,
    ) {
        let topic = self.dispatcher.finisher.topics.input(one.ticket.partition.kind);
        let decoded =
            decode_with(Some(&self.registry), &one.record.raw(topic), one.record.schema_header(), &self.limits);
        match decoded {
            Ok(decoded) => self.dispatcher.dispatch(one.ticket, decoded, || one.record),
            // The cached answer has expired in the meantime.
            Err(_) => self.admit(one, waiting, requests),
        }
    }
}

impl Watch {
    /// Records an answer of the registry.
    pub(crate) fn observe(&self, answer: &Answer) {
        self.metrics.registry_answer(answer.as_str());
        let was_unavailable = self.unavailable.swap(matches!(answer, Answer::Unavailable(_)), Ordering::Relaxed);
        match answer {
            Answer::Unavailable(why) => {
                self.health.set_not_ready(COMPONENT, format!("unavailable: {why}"));
                if !was_unavailable {
                    warn!(
                        reason = why,
                        "the schema registry is unavailable; intake is closed, records wait for their schema"
                    );
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
