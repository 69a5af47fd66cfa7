//! The status of users: what was published, which job left a change unpublished, and their state with their row.

use crate::store::error::StoreError;
use crate::store::sql::Pool;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use uuid::Uuid;

use super::states::StateRow;
use super::stored_row::{StoredRow, stored_row};
use crate::codec::stored::CodecError;
use crate::domain::event::Millis;
use crate::domain::state::State;

/// The status of a user, for republishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserStatus {
    pub user: String,
    /// Of the catalog that scored the row last; 0: never scored.
    pub catalog_version: i32,
    /// Whether any change was published, a tombstone included.
    pub is_published: bool,
    /// The job whose deferred write is not published yet.
    pub job: Option<Uuid>,
    /// `None` where that job no longer exists.
    pub job_kind: Option<String>,
}

/// The status of each of `users` that has a state, in their order.
pub async fn read(pool: &Pool, users: &[String]) -> Result<Vec<UserStatus>, StoreError> {
    pool.fetch_all(pool.query_as(
        r#"
        select s.user_id as "user", s.catalog_version, s.published <> 0 as is_published, s.job_id as job, j.kind as job_kind
        from unnest($1::text[]) with ordinality as k(user_id, place)
        join segmenter.profile_states s on s.user_id = k.user_id
        left join segmenter.jobs j on j.id = s.job_id
        order by k.place"#,
    )
    .bind(users)).await
}

/// What was published last of a user, as far as the database knows. The default is that of an unknown user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// 0: nothing was published.
    pub revision: i64,
    /// Whether it was a ranking, not a tombstone.
    pub is_ranking: bool,
    pub erased_at: Option<Millis>,
    pub has_state: bool,
}

impl Published {
    /// Of a user with a state, from its columns: `published` is 1 for a ranking.
    pub(crate) fn of_state(revision: i64, published: i16, erased_at: Option<i64>) -> Self {
        Self { revision, is_ranking: published == 1, erased_at: erased_at.map(Millis), has_state: true }
    }

    /// Of a deleted user.
    pub(crate) fn of_deleted_user(revision: i64, erased_at: Option<i64>) -> Self {
        Self { revision, is_ranking: false, erased_at: erased_at.map(Millis), has_state: false }
    }
}

/// What was published last of each of `users`, in their order.
///
/// # Errors
/// The database does not answer.
pub async fn published(pool: &Pool, users: &[&str]) -> Result<Vec<Published>, StoreError> {
    let rows: Vec<(Option<i16>, i64, Option<i64>)> = pool
        .fetch_all(
            pool.query_as(
                r#"
        select s.published, coalesce(s.revision, d.revision, 0), coalesce(s.erased_at, d.erased_at)
        from unnest($1::text[]) with ordinality as k(user_id, place)
        left join segmenter.profile_states s on s.user_id = k.user_id
        left join segmenter.deleted_users d on d.user_id = k.user_id and s.user_id is null
        order by k.place"#,
            )
            .bind(users),
        )
        .await?;
    let one = |(published, revision, erased_at): (Option<i16>, i64, Option<i64>)| match published {
        Some(published) => Published::of_state(revision, published, erased_at),
        None => Published::of_deleted_user(revision, erased_at),
    };
    Ok(rows.into_iter().map(one).collect())
}

/// A user's state and row, of one snapshot.
#[derive(Debug)]
pub(crate) struct Pair {
    pub user: String,
    pub state: Result<State, CodecError>,
    pub row: Option<StoredRow>,
}

/// State and row of each of `users` that has a state, in their order.
pub(crate) async fn read_pairs(pool: &Pool, users: &[String]) -> Result<Vec<Pair>, StoreError> {
    let rows = pool
        .fetch_all(
            pool.query(
                r#"
        select s.user_id, s.revision, s.published, s.erased_at, s.catalog_version, s.job_id, s.state,
               v.source, v.segments::text as segments, v."primarySegment"::text as primary_segment,
               v."segmentConfidence"::float8 as confidence,
               (extract(epoch from v."lastSegmentUpdate") * 1000)::bigint as last_update, v.vector::text as vector
        from unnest($1::text[]) with ordinality as k(user_id, place)
        join segmenter.profile_states s on s.user_id = k.user_id
        left join public.user_vectors v on v."userId" = k.user_id
        order by k.place"#,
            )
            .bind(users),
        )
        .await?;
    Ok(rows.iter().map(pair).collect::<Result<_, _>>()?)
}

fn pair(row: &PgRow) -> Result<Pair, sqlx::Error> {
    Ok(Pair { user: row.try_get("user_id")?, state: StateRow::from_row(row)?.into_state(), row: stored_row(row)? })
}

impl<'r> FromRow<'r, PgRow> for UserStatus {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            user: row.try_get("user")?,
            catalog_version: row.try_get("catalog_version")?,
            is_published: row.try_get("is_published")?,
            job: row.try_get("job")?,
            job_kind: row.try_get("job_kind")?,
        })
    }
}
