//! PostgreSQL: users' states, `user_vectors`, the outbox, jobs. One fold is one transaction.
//!
//! ```text
//! writer               writes a batch, retrying through outages
//! apply                the transaction: read, fold, compare-and-set, upsert, outbox row
//! progress             the progress of a batch: open chunks, outcomes, bisecting
//! task                 items grouped by user, and the fold of one user
//! states               segmenter.profile_states and segmenter.deleted_users: reading
//! compare_and_set      segmenter.profile_states: writing over the version that was read
//! user_vectors         public.user_vectors: upsert and removal of our columns
//! outbox               segmenter.outbox: insert, takeover, renewal, deletion, depth
//! positions            segmenter.positions: comparing write, reading and setting at the start of a partition
//! positions_of_groups  the rows of all groups, for operators
//! history              the history that a transaction ran in
//! revision_clock       the time at which revisions are minted
//! leased_rows          ids of the outbox rows that this process holds
//! jobs                 segmenter.jobs: leases, phases, checkpoints, failures, retention
//! audit                segmenter.audit: acts of operators
//! keys                 pages of users for jobs
//! onboarding_profiles  public.travel_onboarding_profiles: reading, for backfill
//! user_status          publishing status, state and row of users, for republish and verify
//! stored_row           a stored row, compared with the row that the fold writes
//! lookup               reads for the HTTP API and commands
//! distribution         users by primary segment, from a sample
//! dry_run              the fold without a write
//! remembered           users as the earlier batches of a dry run would have left them
//! sql                  statements and transactions, also behind a pooler
//! connections          the open connections, lent for one piece of work each
//! connect              how to connect, and what a session keeps
//! error                error classes by SQLSTATE
//! ```

pub mod apply;
pub mod audit;
pub mod compare_and_set;
pub mod connect;
mod connections;
pub mod distribution;
pub mod dry_run;
pub mod error;
pub mod history;
pub mod jobs;
pub mod keys;
pub mod leased_rows;
pub mod lookup;
pub mod onboarding_profiles;
pub mod outbox;
pub mod positions;
pub mod positions_of_groups;
pub mod progress;
mod remembered;
pub mod revision_clock;
pub mod sql;
pub mod states;
pub mod stored_row;
pub mod task;
pub mod user_status;
pub mod user_vectors;
pub mod writer;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use self::revision_clock::RevisionClock;
use self::sql::Pool;
use crate::domain::scoring::Catalog;

/// The database as this process uses it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub pool: Pool,
    pub catalog: Arc<Catalog>,
    /// Whether the database has the platform's `users` table; only its users may then have a state.
    pub has_users: bool,
    /// Identifies this process as the owner of outbox rows.
    pub owner: Uuid,
    /// How long a lease on an outbox row lasts unless it is renewed.
    pub lease: Duration,
    pub revisions: RevisionClock,
}
