//! Statements and transactions, on sessions of our own or through a pooler in transaction mode.
//!
//! Such a pooler gives each transaction another server session, so no session may keep anything: statements are not prepared
//! by name, each runs within a transaction, and each transaction sets its timeouts. A process uses one database in one way,
//! so the mode is a static of the process.

use std::sync::OnceLock;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::{AssertSqlSafe, Connection as _, FromRow, Postgres, SqlSafeStr, Transaction};

/// How transactions begin behind a pooler; absent where sessions are our own.
static BEHIND_POOLER: OnceLock<BehindPooler> = OnceLock::new();

struct BehindPooler {
    begin: String,
    begin_fold: String,
}

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
        let timeout = self.statement_timeout.as_millis().to_string();
        if self.pooled {
            let access = if self.read_only { " read only" } else { "" };
            let timeouts = format!(
                "set local statement_timeout = {timeout}; set local idle_in_transaction_session_timeout = {timeout}"
            );
            let begin = format!("begin{access}; {timeouts}");
            // All calls of a process pass the same value.
            let _ = BEHIND_POOLER.set(BehindPooler { begin, begin_fold: format!("{BEGIN_FOLD}; {timeouts}") });
            return self.options.clone().extra_float_digits(None).statement_cache_capacity(0);
        }
        let options = self.options.clone().options([
            ("statement_timeout", timeout.as_str()),
            // A process that is paused within a transaction must not hold its row locks until it resumes.
            ("idle_in_transaction_session_timeout", timeout.as_str()),
        ]);
        if self.read_only { options.options([("default_transaction_read_only", "on")]) } else { options }
    }
}

/// A pool that connects on first use, so that the process starts while the database is unavailable.
pub fn pool(connect: &Connect) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connect.max_connections)
        .acquire_timeout(connect.timeout)
        // A broken connection fails at its next statement, which is retried anyway; a ping first costs a round trip a fold.
        .test_before_acquire(false)
        .connect_lazy_with(connect.session_options())
}

fn keeps_sessions() -> bool {
    BEHIND_POOLER.get().is_none()
}

/// A statement with bound values.
pub(crate) type Statement = Query<'static, Postgres, PgArguments>;

/// A statement: prepared once a session, or unnamed behind a pooler.
pub fn query(sql: impl SqlSafeStr) -> Statement {
    sqlx::query(sql).persistent(keeps_sessions())
}

/// From this number of keys on, a statement is planned each time.
const MANY: usize = 64;

/// A statement that looks rows up by this number of keys. With many keys it is planned each time, for the tables' present size:
/// a cached plan may have been made while they were empty, and scans them whole until they are analysed. With few keys the plan
/// is cached: planning costs more than the statement, and a topic with little traffic has small batches.
pub(crate) fn query_by_keys(sql: impl SqlSafeStr, keys: usize) -> Statement {
    sqlx::query(sql).persistent(keys < MANY && keeps_sessions())
}

/// [`query`] with typed rows.
pub fn query_as<O>(sql: impl SqlSafeStr) -> QueryAs<'static, Postgres, O, PgArguments>
where
    O: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(sql).persistent(keeps_sessions())
}

/// [`query`] with one value a row.
pub fn query_scalar<O>(sql: impl SqlSafeStr) -> QueryScalar<'static, Postgres, O, PgArguments>
where
    (O,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(sql).persistent(keeps_sessions())
}

/// Begins a transaction on a connection.
pub async fn begin(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    match BEHIND_POOLER.get() {
        None => connection.begin().await,
        Some(pooler) => connection.begin_with(AssertSqlSafe(pooler.begin.as_str())).await,
    }
}

/// Begins a transaction on a connection of the pool. A read-only one needs no commit.
pub(crate) async fn begin_in(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    match BEHIND_POOLER.get() {
        None => pool.begin().await,
        Some(pooler) => pool.begin_with(AssertSqlSafe(pooler.begin.as_str())).await,
    }
}

/// Runs one writing statement, in a transaction of its own behind a pooler; returns the number of rows written.
pub async fn execute(pool: &PgPool, statement: Statement) -> Result<u64, sqlx::Error> {
    if keeps_sessions() {
        return Ok(statement.execute(pool).await?.rows_affected());
    }
    let mut transaction = begin_in(pool).await?;
    let done = statement.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(done.rows_affected())
}

/// Runs one reading statement like [`execute`]; returns the rows.
pub async fn fetch_all(pool: &PgPool, statement: Statement) -> Result<Vec<PgRow>, sqlx::Error> {
    if keeps_sessions() {
        return statement.fetch_all(pool).await;
    }
    statement.fetch_all(&mut *begin_in(pool).await?).await
}

/// Begins the transaction of a fold on a connection.
pub(crate) async fn begin_fold(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    let begin = BEHIND_POOLER.get().map_or(BEGIN_FOLD, |pooler| pooler.begin_fold.as_str());
    connection.begin_with(AssertSqlSafe(begin)).await
}
