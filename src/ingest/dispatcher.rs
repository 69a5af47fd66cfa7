//! Dispatches a decoded record: an event to the worker of its user; a skipped or rejected record is finished at once.

use super::assignment::Ticket;
use super::offset_tracker::Finish;
use super::record::{OriginalRecord, Rejected};
use super::work_queues::{Work, WorkQueues};
use super::worker::Finisher;
use crate::codec::Decoded;
use crate::domain::event::Event;
use crate::runtime::wall_clock;
use crate::store::history::Histories;
use crate::telemetry::metrics::{Metrics, RecordOutcome};

/// Shared by the consumer loop and the schema wait.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    pub queues: WorkQueues,
    pub finisher: Finisher,
    pub metrics: Metrics,
}

impl Dispatcher {
    /// Dispatches a record; `record` makes the copy of the original where it is still needed.
    pub(crate) fn dispatch(&self, ticket: Ticket, decoded: Decoded, record: impl FnOnce() -> OriginalRecord) {
        let kind = ticket.partition.kind;
        match decoded {
            Decoded::Event(event) => {
                self.observe(&event);
                self.queues.send(Work { ticket, event, record: record() });
            }
            Decoded::Skipped(skip) => {
                self.metrics.record(kind, RecordOutcome::Skipped);
                self.metrics.skip(skip);
                self.finisher.finish([(ticket, Finish::Accepted(Histories::None))]);
            }
            Decoded::Rejected(rejection) => {
                self.metrics.record(kind, RecordOutcome::DeadLettered);
                let rejected = Rejected { record: record(), rejection };
                self.finisher.finish([(ticket, Finish::Rejected(Box::new(rejected)))]);
            }
        }
    }

    fn observe(&self, event: &Event) {
        if event.key_differs {
            self.metrics.key_mismatch.inc();
        }
        self.metrics.observe_event_time((wall_clock::now().0 - event.stamp.time.0) as f64 / 1000.0);
    }
}
