//! Opening the connection pool.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Connect {
    pub options: PgConnectOptions,
    pub max_connections: u32,
    /// How long to wait for a connection before the database counts as away.
    pub timeout: Duration,
    pub statement_timeout: Duration,
}

/// A pool that connects when it is first used, so that a database that is away does not stop the process from starting.
pub fn pool(connect: Connect) -> PgPool {
    let statement_timeout = connect.statement_timeout.as_millis().to_string();
    let options = connect.options.options([
        ("statement_timeout", statement_timeout.as_str()),
        // A process that is frozen within a transaction must not keep the locks of its users until it wakes.
        ("idle_in_transaction_session_timeout", statement_timeout.as_str()),
    ]);
    PgPoolOptions::new()
        .max_connections(connect.max_connections)
        .acquire_timeout(connect.timeout)
        // A broken connection shows at its next statement, which is retried anyway; asking first costs a round trip a fold.
        .test_before_acquire(false)
        .connect_lazy_with(options)
}
