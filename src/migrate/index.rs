//! Builds and drops the index on `primarySegment` concurrently, so that no writer waits.

use sqlx::PgConnection;
use sqlx::migrate::Migrate;

use super::bookkeeping;
use super::error::{MigrateError, Refusal};
use super::facts::{IndexState, index_state};
use super::files::VersionedFile;
use super::session::{Limits, set_lock_timeout};

/// The name of the index in `segmenter.provenance`.
const OBJECT: &str = "index public.user_vectors_primarySegment_idx";

/// Applies the migration: records whether the index existed, then builds it unless it is valid.
pub(super) async fn apply(conn: &mut PgConnection, limits: &Limits, file: &VersionedFile) -> Result<(), MigrateError> {
    let state = index_state(conn).await?;
    // Before the build, and only once: after an interrupted build the index would count as there before us.
    sqlx::query("insert into segmenter.provenance (object, existed) values ($1, $2) on conflict do nothing")
        .bind(OBJECT)
        .bind(state != IndexState::Missing)
        .execute(&mut *conn)
        .await?;
    bookkeeping::record_compatibility(conn, file).await?;
    retry_until_deadline(conn, limits, async |conn| {
        drop_invalid(conn, state).await?;
        conn.apply(bookkeeping::TABLE, &file.up()).await?;
        Ok(())
    })
    .await
}

/// Replaces an invalid or missing index of a migration that was applied before.
pub(super) async fn repair(conn: &mut PgConnection, limits: &Limits, file: &VersionedFile) -> Result<(), MigrateError> {
    let state = index_state(conn).await?;
    retry_until_deadline(conn, limits, async |conn| {
        drop_invalid(conn, state).await?;
        sqlx::raw_sql(file.up().sql).execute(conn).await?;
        Ok(())
    })
    .await
}

/// Reverts the migration: drops the index, unless it was there before us.
pub(super) async fn revert(conn: &mut PgConnection, limits: &Limits, file: &VersionedFile) -> Result<(), MigrateError> {
    if is_ours(conn).await? {
        retry_until_deadline(conn, limits, async |conn| {
            sqlx::raw_sql(file.down().sql).execute(conn).await?;
            Ok(())
        })
        .await?;
    }
    // After the drop, so that an interrupted revert repeats it.
    sqlx::query("delete from segmenter.provenance where object = $1").bind(OBJECT).execute(&mut *conn).await?;
    bookkeeping::forget(conn, file.version).await
}

/// Whether the index was not there before us.
pub(super) async fn is_ours(conn: &mut PgConnection) -> Result<bool, MigrateError> {
    let existed: Option<bool> = sqlx::query_scalar("select existed from segmenter.provenance where object = $1")
        .bind(OBJECT)
        .fetch_optional(conn)
        .await?;
    Ok(existed == Some(false))
}

async fn drop_invalid(conn: &mut PgConnection, state: IndexState) -> Result<(), MigrateError> {
    match state {
        IndexState::Missing | IndexState::Valid => Ok(()),
        IndexState::NameTaken => Err(Refusal::IndexNameTaken.into()),
        IndexState::Invalid => {
            sqlx::raw_sql("drop index concurrently if exists public.\"user_vectors_primarySegment_idx\"")
                .execute(conn)
                .await?;
            Ok(())
        }
    }
}

/// A concurrent build on `public.user_vectors` in work, as another session sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The phase, in PostgreSQL's words.
    pub phase: String,
    /// Blocks, rows or sessions of the phase that are done, and all of them; 0 of 0 where the phase has no measure.
    pub done: u64,
    pub total: u64,
}

/// The build in work, if there is one. `connection` is not that of the build.
///
/// # Errors
/// The database does not answer.
pub async fn build_in_work(connection: &mut PgConnection) -> Result<Option<Build>, sqlx::Error> {
    let build: Option<(String, i64, i64)> = sqlx::query_as(
        "select phase,
                case when lockers_total > 0 then lockers_done when blocks_total > 0 then blocks_done else tuples_done end,
                case when lockers_total > 0 then lockers_total when blocks_total > 0 then blocks_total else tuples_total end
           from pg_stat_progress_create_index
          where datname = current_database() and relid = to_regclass('public.user_vectors')",
    )
    .fetch_optional(connection)
    .await?;
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(build.map(|(phase, done, total)| Build { phase, done: count(done), total: count(total) }))
}

/// With the longer lock timeout of a concurrent build; the shorter one is restored, also after an error.
async fn retry_until_deadline(
    conn: &mut PgConnection,
    limits: &Limits,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<(), MigrateError>,
) -> Result<(), MigrateError> {
    set_lock_timeout(conn, limits.build_timeout).await?;
    let outcome = work(conn).await;
    set_lock_timeout(conn, limits.lock_timeout).await?;
    outcome
}
