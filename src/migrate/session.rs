//! The session of a migration: its settings, the migration lock, and steps that yield to other sessions.
//!
//! The migration lock is an advisory lock of the session, taken by polling. Waiting for it inside the database would hold a
//! snapshot, for which a concurrent index build of the holder waits in turn.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use super::error::{Holders, MigrateError};
use super::progress::{Notice, Progress};

/// The key of the advisory lock: "segmente" in ASCII. Advisory locks are per database.
pub const LOCK_KEY: i64 = 0x7365_676d_656e_7465;

/// How long a migration waits for others.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a lock on a table. The platform's own statements queue behind a waiting DDL statement, so this is short.
    pub lock_timeout: Duration,
    /// For older transactions to end, within a concurrent build. No session queues behind that wait, so this is long.
    pub build_timeout: Duration,
    /// How often a step is attempted while its locks are not granted.
    pub attempts: u32,
    /// Before the second attempt; each later pause is twice as long.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// For another session that migrates.
    pub deadline: Duration,
    /// Between two attempts to take the migration lock.
    pub poll: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_millis(500),
            build_timeout: Duration::from_secs(60 * 60),
            // Four minutes in all.
            attempts: 12,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            deadline: Duration::from_secs(10 * 60),
            poll: Duration::from_millis(250),
        }
    }
}

/// Settings independent of the role's and the database's own: an empty search path, since every name is qualified, and no
/// statement timeout, since building an index may take long.
pub(super) async fn prepare(conn: &mut PgConnection, limits: &Limits) -> Result<(), MigrateError> {
    sqlx::raw_sql("set search_path to ''; set statement_timeout to 0; set client_min_messages to warning")
        .execute(&mut *conn)
        .await?;
    set_lock_timeout(conn, limits.lock_timeout).await
}

pub(super) async fn set_lock_timeout(conn: &mut PgConnection, timeout: Duration) -> Result<(), MigrateError> {
    sqlx::query("select set_config('lock_timeout', $1, false)")
        .bind(format!("{}ms", timeout.as_millis()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes the migration lock, or fails with [`MigrateError::Busy`] at the deadline.
pub(super) async fn lock(conn: &mut PgConnection, limits: &Limits, progress: Progress<'_>) -> Result<(), MigrateError> {
    let started = Instant::now();
    let mut reported = None;
    loop {
        let granted: bool =
            sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(LOCK_KEY).fetch_one(&mut *conn).await?;
        if granted {
            return Ok(());
        }
        let holder = lock_holder(conn).await?;
        let waited = started.elapsed();
        if waited >= limits.deadline {
            return Err(MigrateError::Busy { holder, waited });
        }
        if reported.as_ref() != Some(&holder) {
            progress(Notice::Waiting { holder: holder.clone() });
            reported = Some(holder);
        }
        sleep(limits.poll).await;
    }
}

/// Releases the migration lock. A broken session has lost it already, so errors are ignored.
pub(super) async fn unlock(conn: &mut PgConnection) {
    let _ = sqlx::query("select pg_advisory_unlock($1)").bind(LOCK_KEY).execute(conn).await;
}

async fn lock_holder(conn: &mut PgConnection) -> Result<String, sqlx::Error> {
    let holder: Option<String> = sqlx::query_scalar(
        "select format('process %s%s', l.pid, ' (' || nullif(a.application_name, '') || ')')
           from pg_locks l left join pg_stat_activity a on a.pid = l.pid
          where l.locktype = 'advisory' and l.granted and l.objsubid = 1
            and l.database = (select oid from pg_database where datname = current_database())
            and (l.classid::bigint << 32 | l.objid::bigint) = $1
          limit 1",
    )
    .bind(LOCK_KEY)
    .fetch_optional(conn)
    .await?;
    Ok(holder.unwrap_or_else(|| "a session that has just ended".to_owned()))
}

/// One step that needs locks on tables.
pub(super) struct Step<'a> {
    /// Shown in progress and errors.
    pub name: String,
    /// The tables it may have to wait for.
    pub locks: &'a [&'a str],
    /// How long it waits for each lock.
    pub timeout: Duration,
    /// How often it is attempted.
    pub attempts: u32,
}

/// Runs a step, and repeats it after growing pauses while it fails by contention with other sessions.
pub(super) async fn yielding<T>(
    conn: &mut PgConnection,
    limits: &Limits,
    progress: Progress<'_>,
    step: &Step<'_>,
    mut attempt: impl AsyncFnMut(&mut PgConnection) -> Result<T, MigrateError>,
) -> Result<T, MigrateError> {
    let (mut attempts, mut pause) = (1, limits.pause);
    loop {
        match attempt(conn).await {
            Err(error) if error.is_contention() => {}
            settled => return settled,
        }
        let holders = table_lock_holders(conn, step.locks).await?;
        if attempts >= step.attempts {
            return Err(MigrateError::Locked { step: step.name.clone(), timeout: step.timeout, attempts, holders });
        }
        attempts += 1;
        progress(Notice::Retrying { step: step.name.clone(), attempt: attempts, pause, holders });
        sleep(pause).await;
        pause = (pause * 2).min(limits.longest_pause);
    }
}

async fn table_lock_holders(conn: &mut PgConnection, tables: &[&str]) -> Result<Holders, MigrateError> {
    let holders = sqlx::query_scalar(
        "select distinct format('process %s%s: %s on %s%s', l.pid, ' (' || nullif(a.application_name, '') || ')',
                                l.mode, t.name,
                                format(', in a transaction of %s s', extract(epoch from now() - a.xact_start)::bigint))
           from unnest($1::text[]) as t(name)
           join pg_locks l on l.relation = to_regclass(t.name)
           left join pg_stat_activity a on a.pid = l.pid
          where l.granted and l.pid <> pg_backend_pid()",
    )
    .bind(tables)
    .fetch_all(conn)
    .await?;
    Ok(Holders(holders))
}
