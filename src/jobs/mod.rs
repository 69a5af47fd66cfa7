//! Jobs: replay, backfill, recompute, republish and redrive. Each is one more source of the same fold, beside the live
//! service.
//!
//! ```text
//! spec        the parameters of a job, as stored in its row
//! claim       creates a job, and takes the lease on it
//! run         batch after batch: wait, write with the position, at the end publish
//! control     renews the lease, reads the operator's requests, decides when a batch may start
//! throttle    the limits of a job, and the pace that keeps to a rate
//! pressure    live lag, outbox and database latency, compared with the limits
//! source      the batches of a job, each with the position after it
//!   records   records of topics between fixed offsets: of
//!     replay  the input topics
//!     redrive the dead-letter topic
//!   backfill  the platform's onboarding profiles, as events
//!   recompute states to score again
//!   republish states to publish again
//!   topic_ahead users whose last record is ahead of the database
//!   deferred  users with deferred changes, for the publishing phase
//!   users     the pages of users that backfill, recompute and republish read
//! batch       some items of a job, and the position after them
//! write       writes a batch: the fold, failures, dead letters, the position
//! parallel    works through several sources at the same time
//! leftovers   changes that earlier owners of a job have not published
//! commands    the commands that an operator types next
//! snapshot    the progress of a job, for the terminal, the log and its row
//! shift       the share of users that a recompute would move
//! dry_run     the same batches, read only
//! ```
//!
//! A replay may meet a user many times: its changes are stored immediately and published once, when it ends, as the net change
//! of each user. A live event of the user in between publishes it earlier. A redrive publishes immediately, as the live service
//! would have; so do the other jobs, which meet each user once.

mod backfill;
pub mod batch;
pub mod claim;
pub(crate) mod commands;
pub mod control;
pub mod deferred;
pub mod dry_run;
mod leftovers;
mod parallel;
pub mod pressure;
mod recompute;
mod records;
pub mod redrive;
pub mod replay;
mod republish;
pub(crate) mod retention;
pub mod run;
pub(crate) mod shift;
pub mod snapshot;
pub mod source;
pub mod spec;
pub mod throttle;
pub mod topic_ahead;
pub mod users;
mod write;

use std::time::Duration;

use crate::kafka::topic_reader::Source;
use crate::output::Destination;
use crate::registry::decoder::Decoder;
use crate::runtime::halt::Halt;
use crate::runtime::stop::Stop;
use crate::store::Store;
use crate::store::audit::Operator;

/// How long a job may go on after a stop is requested: enough for a batch in work, unless a peer is unavailable.
const LAST_WORK: Duration = Duration::from_secs(20);

/// The clients and settings that a job works with.
#[derive(Debug, Clone)]
pub struct Means {
    pub store: Store,
    pub output: Destination,
    /// The live service's group: its lag is measured, its offsets are never touched.
    pub live_group: String,
    /// Who starts the job, or tells it what to do.
    pub operator: Operator,
    pub decoder: Decoder,
    /// How many sources of a job are worked through at the same time.
    pub at_once: usize,
    pub stop: Stop,
}

impl Means {
    /// The source of a topic's records. The brokers see the name of its group, which is never joined.
    pub(crate) fn source_of(&self, topic: String) -> Source {
        let group = format!("{}-replay", self.live_group);
        Source { cluster: self.output.cluster.clone(), group, topic, stop: self.stop.clone() }
    }
}

/// Runs blocking work beside the runtime's own threads.
///
/// # Errors
/// It panicked.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Halt> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Halt::Failed(error.to_string()))
}
