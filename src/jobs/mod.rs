//! Jobs: replay, backfill, recompute and republish. Each is one more source of the same fold, beside the live service.
//!
//! ```text
//! spec        what was asked for, as it is kept in the job's row
//! source      the batches of a job, each with the position after it
//!   replay    records of input topics between frozen offsets
//!   backfill  onboarding profiles of the platform, as events
//!   recompute states to be scored anew
//!   republish states to be published again
//!   publishing    users whom the job changed deferred
//! claim       entering a job, and the lease that makes a process its owner
//! throttle    its limits, and the pace that keeps to a rate
//! pressure    what the live service and the database are under, and whether a limit is passed
//! control     the lease, what the people in charge want, and whose turn it is
//! snapshot    how far it has come, for whoever looks
//! run         batch after batch: wait for a turn, write with the position, until the end is published
//! write       a batch, what has to be kept besides, and the position after it
//! dry_run     the same batches, only read
//! ```
//!
//! Jobs write deferred: a new ranking is not published until the job's end, which says the net change of each user once. A live
//! event in between says it itself.

mod backfill;
pub mod batch;
pub mod claim;
pub mod control;
pub mod deferred;
pub mod dry_run;
pub mod pressure;
mod recompute;
pub mod redrive;
pub mod replay;
mod republish;
pub mod run;
pub mod snapshot;
pub mod source;
pub mod spec;
pub mod throttle;
pub mod users;
mod write;

use crate::kafka::topic_reader::Source;
use crate::output::Destination;
use crate::registry::decoder::Decoder;
use crate::runtime::stop::Stop;
use crate::store::Store;

/// What a job works with.
#[derive(Debug, Clone)]
pub struct Means {
    pub store: Store,
    pub output: Destination,
    /// The live service's group: its lag is looked at, its offsets are never touched.
    pub live_group: String,
    pub decoder: Decoder,
    pub stop: Stop,
}

impl Means {
    /// A topic to replay. The group is named to the brokers and never joined.
    pub fn replay_source(&self, topic: String) -> Source {
        let group = format!("{}-replay", self.live_group);
        Source { cluster: self.output.cluster.clone(), group, topic, stop: self.stop.clone() }
    }
}
