//! The pool of connections, statements and transactions, on sessions of this process or through a pooler in transaction mode.
//!
//! Such a pooler gives each transaction another server session, so no session may keep anything: statements are not prepared
//! by name, each runs within a transaction, and each transaction sets its timeouts. The [`Pool`] knows which of the two it is.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::{AssertSqlSafe, Connection as _, FromRow, Postgres, SqlSafeStr, Transaction};

/// The beginning of a fold. It waits for a lock for a fifth of the second after which PostgreSQL looks for deadlocks by
/// default (`deadlock_timeout`), then rolls back and retries: the other party of the deadlock, such as a delete on the
/// platform, goes on (decision 0004).
const BEGIN_FOLD: &str = "begin; set local lock_timeout = 200";

/// How to connect to the database.
#[derive(Debug, Clone)]
pub struct Connect {
    pub options: PgConnectOptions,
    pub max_connections: u32,
    /// How long to wait for a connection before the database counts as unavailable.
    pub timeout: Duration,
    pub statement_timeout: Duration,
    /// Whether connections go through a pooler in transaction mode.
    pub pooled: bool,
    /// Whether sessions are read-only, so that the database rejects every write.
    pub read_only: bool,
}

impl Connect {
    /// The startup options of a session. Behind a pooler there are none: it rejects options that it does not know, and shares
    /// its sessions.
    pub(crate) fn session_options(&self) -> PgConnectOptions {
        if self.pooled {
            return self.options.clone().extra_float_digits(None).statement_cache_capacity(0);
        }
        let timeout = self.statement_timeout.as_millis().to_string();
        let options = self.options.clone().options([
            ("statement_timeout", timeout.as_str()),
            // A process that is paused within a transaction must not hold its row locks until it resumes.
            ("idle_in_transaction_session_timeout", timeout.as_str()),
        ]);
        if self.read_only { options.options([("default_transaction_read_only", "on")]) } else { options }
    }

    /// How transactions begin on such sessions.
    pub(crate) fn sessions(&self) -> Sessions {
        if !self.pooled {
            return Sessions::own();
        }
        let timeout = self.statement_timeout.as_millis();
        let access = if self.read_only { " read only" } else { "" };
        let timeouts = format!(
            "set local statement_timeout = {timeout}; set local idle_in_transaction_session_timeout = {timeout}"
        );
        let begin = format!("begin{access}; {timeouts}");
        let begin_fold = format!("{BEGIN_FOLD}; {timeouts}");
        Sessions { are_own: false, begin: begin.into(), begin_fold: begin_fold.into() }
    }
}

/// Whose the sessions are, and how statements and transactions are made on them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    are_own: bool,
    begin: Arc<str>,
    begin_fold: Arc<str>,
}

impl Sessions {
    /// Sessions of this process.
    pub fn own() -> Self {
        Self { are_own: true, begin: "begin".into(), begin_fold: BEGIN_FOLD.into() }
    }

    /// A statement: prepared once a session, or unnamed behind a pooler.
    pub fn query(&self, sql: impl SqlSafeStr) -> Statement {
        sqlx::query(sql).persistent(self.are_own)
    }

    /// A statement that looks rows up by this number of keys. With many keys it is planned each time, for the tables' present size:
    /// a cached plan may have been made while they were empty, and scans them whole until they are analysed. With few keys the
    /// plan is cached: planning costs more than the statement, and a topic with little traffic has small batches.
    pub(crate) fn query_by_keys(&self, sql: impl SqlSafeStr, keys: usize) -> Statement {
        sqlx::query(sql).persistent(self.are_own && keys < MANY)
    }

    /// [`query`](Self::query) with typed rows.
    pub fn query_as<O>(&self, sql: impl SqlSafeStr) -> QueryAs<'static, Postgres, O, PgArguments>
    where
        O: for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_as(sql).persistent(self.are_own)
    }

    /// [`query`](Self::query) with one value a row.
    pub fn query_scalar<O>(&self, sql: impl SqlSafeStr) -> QueryScalar<'static, Postgres, O, PgArguments>
    where
        (O,): for<'r> FromRow<'r, PgRow>,
    {
        sqlx::query_scalar(sql).persistent(self.are_own)
    }

    /// Begins a transaction on a connection.
    pub(crate) async fn begin_on<'c>(
        &self,
        connection: &'c mut PgConnection,
    ) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
        connection.begin_with(AssertSqlSafe(&*self.begin)).await
    }

    /// Begins the transaction of a fold on a connection.
    pub(crate) async fn begin_fold<'c>(
        &self,
        connection: &'c mut PgConnection,
    ) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
        connection.begin_with(AssertSqlSafe(&*self.begin_fold)).await
    }
}

/// The connections of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: PgPool,
    sessions: Sessions,
}

impl From<PgPool> for Pool {
    /// A pool whose sessions are this process's.
    fn from(connections: PgPool) -> Self {
        Self { connections, sessions: Sessions::own() }
    }
}

impl Deref for Pool {
    type Target = Sessions;

    fn deref(&self) -> &Sessions {
        &self.sessions
    }
}

impl Pool {
    /// A pool that connects on first use, so that the process starts while the database is unavailable.
    pub fn new(connect: &Connect) -> Self {
        let connections = PgPoolOptions::new()
            .max_connections(connect.max_connections)
            .acquire_timeout(connect.timeout)
            // A broken connection fails at its next statement, which is retried anyway; a ping first costs a round trip a fold.
            .test_before_acquire(false)
            .connect_lazy_with(connect.session_options());
        Self { connections, sessions: connect.sessions() }
    }

    /// The connections themselves, to be counted.
    pub(crate) fn connections(&self) -> &PgPool {
        &self.connections
    }

    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.connections.acquire().await
    }

    /// Begins a transaction on a connection of the pool. A read-only one needs no commit.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.connections.begin_with(AssertSqlSafe(&*self.sessions.begin)).await
    }

    /// Runs one writing statement, in a transaction of its own behind a pooler; returns the number of rows written.
    pub async fn execute(&self, statement: Statement) -> Result<u64, sqlx::Error> {
        if self.sessions.are_own {
            return Ok(statement.execute(&self.connections).await?.rows_affected());
        }
        let mut transaction = self.begin().await?;
        let done = statement.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected())
    }

    /// Runs one reading statement like [`execute`](Self::execute); returns the rows.
    pub async fn fetch_all(&self, statement: Statement) -> Result<Vec<PgRow>, sqlx::Error> {
        if self.sessions.are_own {
            return statement.fetch_all(&self.connections).await;
        }
        statement.fetch_all(&mut *self.begin().await?).await
    }
}

/// A statement with bound values.
pub(crate) type Statement = Query<'static, Postgres, PgArguments>;

/// An unnamed statement, for a connection that may be a pooler's.
pub fn query(sql: impl SqlSafeStr) -> Statement {
    sqlx::query(sql).persistent(false)
}

/// [`query`] with typed rows.
pub fn query_as<O>(sql: impl SqlSafeStr) -> QueryAs<'static, Postgres, O, PgArguments>
where
    O: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(sql).persistent(false)
}

/// [`query`] with one value a row.
pub fn query_scalar<O>(sql: impl SqlSafeStr) -> QueryScalar<'static, Postgres, O, PgArguments>
where
    (O,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(sql).persistent(false)
}

/// From this number of keys on, a statement is planned each time.
const MANY: usize = 64;
