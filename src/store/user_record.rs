//! Everything that is stored of one user, for people to look at. No locks, nothing is written.

use sqlx::postgres::PgPool;

use super::lookup;
use super::verify::StoredRow;
use crate::event::{Millis, UserId};
use crate::pipeline::codec::CodecError;
use crate::pipeline::state::State;
use crate::store::sql;

/// What is stored of a user.
#[derive(Debug)]
pub struct UserRecord {
    /// Whether the platform has the user; `None` where the database has no `users` table.
    pub on_platform: Option<bool>,
    /// `None` where there is none, the inner error where its bytes cannot be read.
    pub state: Option<Result<State, CodecError>>,
    pub row: Option<StoredRow>,
    pub departed: Option<Departed>,
}

/// What is remembered of a user who has gone from the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departed {
    pub erased_at: Option<Millis>,
    /// Of the null record; 0: nothing was to be said.
    pub revision: i64,
}

impl UserRecord {
    /// Whether anything of ours, or a row, is there.
    pub fn is_empty(&self) -> bool {
        self.state.is_none() && self.row.is_none() && self.departed.is_none()
    }
}

/// Reads what is stored of `user`.
///
/// # Errors
/// The database does not answer.
pub async fn read(pool: &PgPool, user: &UserId, has_users: bool) -> Result<UserRecord, sqlx::Error> {
    let has_state: bool = sql::query_scalar("select exists (select from segmenter.profile_states where user_id = $1)")
        .bind(user.as_str())
        .fetch_one(&mut *sql::begin_in(pool).await?)
        .await?;
    let state = if has_state { Some(lookup::user(pool, user).await?) } else { None };
    let departed: Option<(Option<i64>, i64)> =
        sql::query_as("select erased_at, revision from segmenter.departed where user_id = $1")
            .bind(user.as_str())
            .fetch_optional(&mut *sql::begin_in(pool).await?)
            .await?;
    let on_platform = if has_users {
        let exists = sql::query_scalar("select exists (select id from public.users where id = $1)");
        Some(exists.bind(user.as_str()).fetch_one(&mut *sql::begin_in(pool).await?).await?)
    } else {
        None
    };
    Ok(UserRecord {
        on_platform,
        state,
        row: row(pool, user).await?,
        departed: departed.map(|(erased_at, revision)| Departed { erased_at: erased_at.map(Millis), revision }),
    })
}

async fn row(pool: &PgPool, user: &UserId) -> Result<Option<StoredRow>, sqlx::Error> {
    type Columns = (String, Option<String>, Option<String>, Option<f64>, Option<i64>, String);
    let found: Option<Columns> = sql::query_as(
        r#"
        select source, segments::text, "primarySegment", "segmentConfidence",
               (extract(epoch from "lastSegmentUpdate") * 1000)::bigint, vector::text
        from public.user_vectors where "userId" = $1"#,
    )
    .bind(user.as_str())
    .fetch_optional(&mut *sql::begin_in(pool).await?)
    .await?;
    Ok(found.map(|(source, segments, primary_segment, segment_confidence, last_update, vector)| StoredRow {
        source,
        segments,
        primary_segment,
        segment_confidence,
        last_segment_update: last_update.map(Millis),
        vector,
    }))
}

/// The database's clock, Unix time in ms: what erasures and revisions go by.
///
/// # Errors
/// The database does not answer.
pub async fn clock(pool: &PgPool) -> Result<Millis, sqlx::Error> {
    sql::query_scalar("select floor(extract(epoch from clock_timestamp()) * 1000)::bigint")
        .fetch_one(&mut *sql::begin_in(pool).await?)
        .await
        .map(Millis)
}
