//! PostgreSQL: users' states, `user_vectors`, the outbox, jobs. One fold is one transaction.

pub mod apply;
pub mod compare_and_set;
pub mod dry_run;
pub mod error;
pub mod jobs;
pub mod keys;
pub mod leased_rows;
pub mod lookup;
pub mod onboarding_profiles;
pub mod outbox;
pub mod progress;
pub mod sql;
pub mod states;
pub mod stored_row;
pub mod task;
pub mod user_status;
pub mod user_vectors;
pub mod writer;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::scoring::Catalog;

/// The database as this process uses it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub pool: PgPool,
    pub catalog: Arc<Catalog>,
    /// Whether the platform's `users` table is there, so that its users can be told from others.
    pub has_users: bool,
    /// This process among the owners of outbox rows.
    pub owner: Uuid,
    /// How long an outbox row is this process's without being renewed.
    pub lease: Duration,
    /// How long a transaction may take before its connection is given up.
    pub deadline: Duration,
}
