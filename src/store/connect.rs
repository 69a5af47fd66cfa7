//! Opening the connection pool.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::sql;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Connect {
    pub options: PgConnectOptions,
    pub max_connections: u32,
    /// How long to wait for a connection before the database counts as away.
    pub timeout: Duration,
    pub statement_timeout: Duration,
    /// Whether a pooler in transaction mode stands before the database.
    pub pooled: bool,
    /// Whether the database is to refuse every write.
    pub read_only: bool,
}

impl Connect {
    /// What sessions start with. Behind a pooler nothing: it refuses what it does not know, and shares its sessions.
    pub fn session_options(&self) -> PgConnectOptions {
        if self.pooled {
            sql::behind_pooler(self.statement_timeout, self.read_only);
            return self.options.clone().extra_float_digits(None).statement_cache_capacity(0);
        }
        let timeout = self.statement_timeout.as_millis().to_string();
        let options = self.options.clone().options([
            ("statement_timeout", timeout.as_str()),
            // A process that is frozen within a transaction must not keep the locks of its users until it wakes.
            ("idle_in_transaction_session_timeout", timeout.as_str()),
        ]);
        if self.read_only { options.options([("default_transaction_read_only", "on")]) } else { options }
    }
}

/// A pool that connects when it is first used, so that a database that is away does not stop the process from starting.
pub fn pool(connect: &Connect) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connect.max_connections)
        .acquire_timeout(connect.timeout)
        // A broken connection shows at its next statement, which is retried anyway; asking first costs a round trip a fold.
        .test_before_acquire(false)
        .connect_lazy_with(connect.session_options())
}
