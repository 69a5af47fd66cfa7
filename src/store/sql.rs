//! How statements reach the database: on sessions of our own, or through a pooler in transaction mode.
//!
//! Such a pooler gives each transaction another server session. So nothing may be left in a session: statements are not
//! prepared by name, each runs within a transaction, and the timeouts are set anew in each. A process talks to one database
//! in one way, which is therefore known to the whole process.

use std::sync::OnceLock;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, FromRow, Postgres, SqlSafeStr, Transaction};

use super::extent::Extent;

/// How transactions begin behind a pooler; absent where sessions are our own.
static BEHIND_POOLER: OnceLock<BehindPooler> = OnceLock::new();

struct BehindPooler {
    begin: String,
    begin_fold_of_few: String,
    begin_fold_of_many: String,
}

/// What a fold begins its transaction with. It waits for a lock for a fifth of the second after which PostgreSQL looks
/// for deadlocks by default (`deadlock_timeout`), then lets go of all it holds and begins again: whoever else is part of
/// the deadlock, like a delete on the platform, goes on (decision 0004 says what that rests on).
const BEGIN_FOLD_OF_FEW: &str = "begin; set local lock_timeout = 200";

/// With many states to write: a statement that looks for them where they lay must not come to read the whole table, which
/// a plan made while there was next to nothing in it would do until it is made anew.
const BEGIN_FOLD_OF_MANY: &str = "begin; set local lock_timeout = 200; set local enable_seqscan = off";

/// From now on everything goes through a pooler in transaction mode.
pub fn behind_pooler(statement_timeout: Duration, read_only: bool) {
    let timeout = statement_timeout.as_millis();
    let access = if read_only { " read only" } else { "" };
    let timeouts =
        format!("set local statement_timeout = {timeout}; set local idle_in_transaction_session_timeout = {timeout}");
    let begin = format!("begin{access}; {timeouts}");
    let begin_fold_of_few = format!("{BEGIN_FOLD_OF_FEW}; {timeouts}");
    let begin_fold_of_many = format!("{BEGIN_FOLD_OF_MANY}; {timeouts}");
    // All calls of a process say the same.
    let _ = BEHIND_POOLER.set(BehindPooler { begin, begin_fold_of_few, begin_fold_of_many });
}

fn keeps_sessions() -> bool {
    BEHIND_POOLER.get().is_none()
}

/// A statement to which values are bound.
pub type Statement = Query<'static, Postgres, PgArguments>;

/// A statement: prepared once a session, or unnamed.
pub fn query(sql: impl SqlSafeStr) -> Statement {
    sqlx::query(sql).persistent(keeps_sessions())
}

/// As [`query`], with room for values of about so many bytes in all, so that large ones are not copied as they grow.
pub fn query_of(sql: impl SqlSafeStr, bytes: usize) -> Statement {
    let mut arguments = PgArguments::default();
    arguments.reserve(0, bytes);
    sqlx::query_with(sql, arguments).persistent(keeps_sessions())
}

/// A statement whose plan is made anew each time, out of what the tables have grown to by then. A plan that is kept may be one
/// that was made while they were empty, and reads all of them until they are analysed.
pub fn query_planned_anew(sql: impl SqlSafeStr) -> Statement {
    sqlx::query(sql).persistent(false)
}

/// As [`query`], with rows of a type.
pub fn query_as<O>(sql: impl SqlSafeStr) -> QueryAs<'static, Postgres, O, PgArguments>
where
    O: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(sql).persistent(keeps_sessions())
}

/// As [`query`], with one value a row.
pub fn query_scalar<O>(sql: impl SqlSafeStr) -> QueryScalar<'static, Postgres, O, PgArguments>
where
    (O,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(sql).persistent(keeps_sessions())
}

/// Begins a transaction on a connection.
///
/// # Errors
/// The database does not answer.
pub async fn begin(connection: &mut PgConnection) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    match BEHIND_POOLER.get() {
        None => connection.begin().await,
        Some(pooler) => connection.begin_with(AssertSqlSafe(pooler.begin.as_str())).await,
    }
}

/// Begins a transaction on a connection of the pool.
///
/// # Errors
/// The database does not answer.
pub async fn begin_in(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    match BEHIND_POOLER.get() {
        None => pool.begin().await,
        Some(pooler) => pool.begin_with(AssertSqlSafe(pooler.begin.as_str())).await,
    }
}

/// A fold's connection, on which states are read before it is known whether anything has to be written: without a
/// transaction where sessions are our own, within the writer's behind a pooler.
pub enum Reading<'c> {
    Session(&'c mut PgConnection),
    Transaction(Transaction<'c, Postgres>),
}

/// Begins a fold of at most so many states on a connection.
///
/// # Errors
/// The database does not answer.
pub async fn begin_reading(connection: &mut PgConnection, extent: Extent) -> Result<Reading<'_>, sqlx::Error> {
    match BEHIND_POOLER.get() {
        None => Ok(Reading::Session(connection)),
        Some(pooler) => {
            let begin = match extent {
                Extent::Few => &pooler.begin_fold_of_few,
                Extent::Many => &pooler.begin_fold_of_many,
            };
            let transaction = connection.begin_with(AssertSqlSafe(begin.as_str())).await?;
            Ok(Reading::Transaction(transaction))
        }
    }
}

impl<'c> Reading<'c> {
    pub fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Session(connection) => connection,
            Self::Transaction(transaction) => transaction,
        }
    }

    /// Goes on in a transaction that writes so many states: no more than the fold was begun for.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin_writing(self, extent: Extent) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
        match self {
            Self::Session(connection) => {
                let begin = match extent {
                    Extent::Few => BEGIN_FOLD_OF_FEW,
                    Extent::Many => BEGIN_FOLD_OF_MANY,
                };
                connection.begin_with(begin).await
            }
            Self::Transaction(transaction) => Ok(transaction),
        }
    }

    /// Ends without having written.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn finish(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Session(_) => Ok(()),
            Self::Transaction(transaction) => transaction.rollback().await,
        }
    }
}

/// Where one statement runs: by itself on a session of our own, within a transaction behind a pooler.
pub enum Unit {
    Session(sqlx::pool::PoolConnection<Postgres>),
    Transaction(Transaction<'static, Postgres>),
}

impl Unit {
    pub fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Session(connection) => connection,
            Self::Transaction(transaction) => transaction,
        }
    }

    /// Makes what was written last. What was only read needs no end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn finish(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Session(_) => Ok(()),
            Self::Transaction(transaction) => transaction.commit().await,
        }
    }
}

/// A place for one statement.
///
/// # Errors
/// The database does not answer.
pub async fn unit(pool: &PgPool) -> Result<Unit, sqlx::Error> {
    if keeps_sessions() {
        return Ok(Unit::Session(pool.acquire().await?));
    }
    Ok(Unit::Transaction(begin_in(pool).await?))
}
