//! Reads for the HTTP API and commands: one user's state, all stored data of a user. No locks, no writes.

use crate::store::sql::Pool;
use sqlx::PgConnection;

use super::error::StoreError;
use super::states::{self, UserCheck};
use super::stored_row::{StoredRow, stored_row};
use crate::codec::stored::CodecError;
use crate::domain::event::{Millis, UserId};
use crate::domain::state::State;

/// The state of a user. The outer error is the database's, the inner one that of the stored bytes.
pub async fn state(pool: &Pool, user: &UserId) -> Result<Result<State, CodecError>, StoreError> {
    let read =
        async |connection: &mut PgConnection| states::read(connection, &[user.as_str()], UserCheck::None, pool).await;
    let snapshot = pool.read(read).await?;
    let current = snapshot.users.into_iter().next().ok_or(sqlx::Error::RowNotFound)?;
    Ok(current.map(|current| current.state))
}

/// The stored data of a user.
#[derive(Debug)]
pub struct UserRecord {
    /// Whether the platform has the user; `None` where the database has no `users` table.
    pub on_platform: Option<bool>,
    /// `None` where there is no state; the inner error where its bytes cannot be decoded.
    pub state: Option<Result<State, CodecError>>,
    pub row: Option<StoredRow>,
    pub deleted: Option<DeletedUser>,
}

/// The record of a deleted user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletedUser {
    pub erased_at: Option<Millis>,
    /// Of the tombstone; 0: no tombstone was to be published.
    pub revision: i64,
}

impl UserRecord {
    /// Whether the database holds no state, row or deletion record of the user.
    pub fn is_empty(&self) -> bool {
        self.state.is_none() && self.row.is_none() && self.deleted.is_none()
    }
}

/// Reads the stored data of `user`.
pub async fn record(pool: &Pool, user: &UserId, has_users: bool) -> Result<UserRecord, StoreError> {
    let has_state =
        exists(pool, "select exists (select from segmenter.profile_states where user_id = $1)", user).await?;
    let state = if has_state { Some(state(pool, user).await?) } else { None };
    let deleted = pool.query_as("select erased_at, revision from segmenter.deleted_users where user_id = $1");
    let deleted: Option<(Option<i64>, i64)> = pool.fetch_optional(deleted.bind(user.as_str())).await?;
    let on_platform = if has_users {
        Some(exists(pool, "select exists (select id from public.users where id = $1)", user).await?)
    } else {
        None
    };
    Ok(UserRecord {
        on_platform,
        state,
        row: row(pool, user).await?,
        deleted: deleted.map(|(erased_at, revision)| DeletedUser { erased_at: erased_at.map(Millis), revision }),
    })
}

async fn exists(pool: &Pool, statement: &'static str, user: &UserId) -> Result<bool, StoreError> {
    let exists = pool.query_scalar(statement).bind(user.as_str());
    pool.fetch_one(exists).await
}

async fn row(pool: &Pool, user: &UserId) -> Result<Option<StoredRow>, StoreError> {
    let found = pool
        .query(
            r#"
        select source, segments::text as segments, "primarySegment"::text as primary_segment,
               "segmentConfidence"::float8 as confidence,
               (extract(epoch from "lastSegmentUpdate") * 1000)::bigint as last_update, vector::text as vector
        from public.user_vectors where "userId" = $1"#,
        )
        .bind(user.as_str());
    let found = pool.fetch_optional(found).await?;
    Ok(found.as_ref().map_or(Ok(None), stored_row)?)
}

/// The database's clock, Unix time in ms, the base of erasure times and revisions.
pub async fn clock(pool: &Pool) -> Result<Millis, StoreError> {
    pool.fetch_one(pool.query_scalar("select floor(extract(epoch from clock_timestamp()) * 1000)::bigint"))
        .await
        .map(Millis)
}

/// The number of rows of a table as of its last ANALYZE; 0: unknown.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn expected_rows(pool: &Pool, table: &'static str) -> Result<u64, StoreError> {
    let estimate = pool.query_scalar("select greatest(reltuples, 0)::bigint from pg_class where oid = to_regclass($1)");
    let rows: Option<i64> = pool.fetch_optional(estimate.bind(table)).await?;
    Ok(u64::try_from(rows.unwrap_or(0)).unwrap_or(0))
}
