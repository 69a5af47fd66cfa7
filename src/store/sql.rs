//! Statements and transactions, on sessions of this process or through a pooler in transaction mode. The [`Pool`] knows which
//! of the two it is, and is the only way to the database: each use of it has a deadline (promise 8).

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::{FromRow, Postgres, SqlSafeStr};

use super::connect::{Connect, transaction_deadline, wait_for_disk};
use super::connections::{Connections, Finish, Lent};
use super::error::StoreError;

/// The beginning of a fold. It waits for a lock for a fifth of the second after which PostgreSQL looks for deadlocks by
/// default (`deadlock_timeout`), then rolls back and retries: the other party of the deadlock, such as a delete on the
/// platform, goes on (decision 0004).
const BEGIN_FOLD: &str = "begin; set local lock_timeout = 200";

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

    /// The sessions of connections that are opened like this.
    pub(crate) fn of(connect: &Connect) -> Self {
        if !connect.pooled {
            return Self::own();
        }
        let timeout = connect.statement_timeout.as_millis();
        let timeouts = format!(
            "set local statement_timeout = {timeout}; set local idle_in_transaction_session_timeout = {timeout}"
        );
        let access = if connect.read_only { " read only" } else { "" };
        let settings = format!("{timeouts}; {}", wait_for_disk(true));
        let begin = format!("begin{access}; {settings}");
        let begin_fold = format!("{BEGIN_FOLD}; {settings}");
        Self { are_own: false, begin: begin.into(), begin_fold: begin_fold.into() }
    }

    /// The statements that begin a transaction.
    pub(crate) fn begin(&self) -> &str {
        &self.begin
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
}

/// The database as this process reaches it. Cheap to clone.
///
/// Every use ends within one and a half times the statement timeout, after at most twice the connect timeout to get a
/// connection. A connection that missed a deadline, or whose use was dropped half-way, is closed.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: Connections,
    sessions: Sessions,
    deadline: Duration,
}

impl Deref for Pool {
    type Target = Sessions;

    fn deref(&self) -> &Sessions {
        &self.sessions
    }
}

impl Pool {
    /// A pool that connects on first use, so that the process starts while the database is unavailable.
    pub fn new(connect: Connect) -> Self {
        let (sessions, deadline) = (Sessions::of(&connect), transaction_deadline(connect.statement_timeout));
        Self { connections: Connections::new(connect), sessions, deadline }
    }

    /// Makes all later work run on new connections: those that are open at this moment are closed before their next use.
    pub fn renew(&self) {
        self.connections.renew();
    }

    /// For how long the server has refused the password of every new connection; open ones are not affected.
    pub(crate) fn refused_for(&self) -> Option<Duration> {
        self.connections.refused_for()
    }

    /// How many connections are in use, and how many are idle.
    pub(crate) fn usage(&self) -> (usize, usize) {
        self.connections.usage()
    }

    /// Runs one writing statement, in a transaction of its own behind a pooler; returns the number of rows written.
    ///
    /// # Errors
    /// As of [`transaction`](Self::transaction).
    pub async fn execute(&self, statement: Query<'_, Postgres, PgArguments>) -> Result<u64, StoreError> {
        let done = self.read(async |connection| statement.execute(connection).await).await?;
        Ok(done.rows_affected())
    }

    /// Runs one statement, in a transaction of its own behind a pooler; or several reading ones that need no common snapshot.
    ///
    /// # Errors
    /// As of [`transaction`](Self::transaction).
    pub async fn read<T, E: Into<StoreError>>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        if self.sessions.are_own {
            self.connections.lend().await?.run(work).await
        } else {
            self.transaction(work).await
        }
    }

    /// Reads all rows of one statement, as [`read`](Self::read) does.
    ///
    /// # Errors
    /// As of [`transaction`](Self::transaction).
    pub async fn fetch_all<S: Select>(&self, select: S) -> Result<Vec<S::Row>, StoreError> {
        self.read(async |connection| select.all(connection).await).await
    }

    /// Reads the one row of a statement, as [`read`](Self::read) does.
    ///
    /// # Errors
    /// As of [`transaction`](Self::transaction); or there is none.
    pub async fn fetch_one<S: Select>(&self, select: S) -> Result<S::Row, StoreError> {
        Ok(self.fetch_optional(select).await?.ok_or(sqlx::Error::RowNotFound)?)
    }

    /// Reads the first row of a statement, if there is one, as [`read`](Self::read) does.
    ///
    /// # Errors
    /// As of [`transaction`](Self::transaction).
    pub async fn fetch_optional<S: Select>(&self, select: S) -> Result<Option<S::Row>, StoreError> {
        self.read(async |connection| select.first(connection).await).await
    }

    /// Runs work in a transaction, and commits it.
    ///
    /// # Errors
    /// That of the work, after which nothing is written; or the database is unavailable, and after a commit that failed or
    /// missed the deadline the outcome is unknown.
    pub async fn transaction<T, E: Into<StoreError>>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        self.transaction_within(self.deadline, work).await
    }

    /// [`transaction`](Self::transaction) with another deadline, for work of many statements.
    pub(crate) async fn transaction_within<T, E: Into<StoreError>>(
        &self,
        deadline: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        let lent = self.connections.lend().await?;
        let work = async |connection: &mut PgConnection| work(connection).await.map(Finish::Commit);
        lent.transaction(&self.sessions.begin, deadline, work).await
    }

    /// The connection for a fold.
    pub(super) async fn lend(&self) -> Result<Lent, StoreError> {
        self.connections.lend().await
    }

    /// [`transaction`](Self::transaction) for a fold, which may also end by a rollback.
    pub(super) async fn fold<T>(
        &self,
        lent: Lent,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<Finish<T>, StoreError>,
    ) -> Result<T, StoreError> {
        lent.transaction(&self.sessions.begin_fold, self.deadline, work).await
    }
}

/// Work on the database with a deadline for all of it, the wait for a connection included.
///
/// # Errors
/// That of the work; or the deadline has passed, and a connection in use is closed.
pub async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(deadline, work).await.unwrap_or(Err(StoreError::TimedOut(deadline)))
}

/// A statement that gives rows: of columns, of a type, or of one value.
pub trait Select {
    type Row;

    fn all(self, connection: &mut PgConnection) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    fn first(
        self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Option<Self::Row>, sqlx::Error>> + Send;
}

impl Select for Query<'_, Postgres, PgArguments> {
    type Row = PgRow;

    async fn all(self, connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
        self.fetch_all(connection).await
    }

    async fn first(self, connection: &mut PgConnection) -> Result<Option<PgRow>, sqlx::Error> {
        self.fetch_optional(connection).await
    }
}

impl<O> Select for QueryAs<'_, Postgres, O, PgArguments>
where
    O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    type Row = O;

    async fn all(self, connection: &mut PgConnection) -> Result<Vec<O>, sqlx::Error> {
        self.fetch_all(connection).await
    }

    async fn first(self, connection: &mut PgConnection) -> Result<Option<O>, sqlx::Error> {
        self.fetch_optional(connection).await
    }
}

impl<O> Select for QueryScalar<'_, Postgres, O, PgArguments>
where
    (O,): for<'r> FromRow<'r, PgRow>,
    O: Send + Unpin,
{
    type Row = O;

    async fn all(self, connection: &mut PgConnection) -> Result<Vec<O>, sqlx::Error> {
        self.fetch_all(connection).await
    }

    async fn first(self, connection: &mut PgConnection) -> Result<Option<O>, sqlx::Error> {
        self.fetch_optional(connection).await
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
