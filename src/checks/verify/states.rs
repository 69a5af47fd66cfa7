//! Reads states with their rows of `user_vectors`, by user.

use crate::store::error::StoreError;
use crate::store::sql::Pool;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

use super::PAGE;
use super::platform::count;
use crate::codec::stored::CodecError;
use crate::domain::state::State;
use crate::store::states::StateRow;
use crate::store::stored_row::{StoredRow, stored_row};
use crate::store::user_status::Published;

/// The sample of states that are read in full, with their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// One in this many; 1 means all, 0 none.
    pub one_in: i64,
    /// The seed of the hash that chooses users.
    pub seed: i64,
}

/// A user with a state.
#[derive(Debug)]
pub struct StoredUser {
    pub user: String,
    pub published: Published,
    /// The version of the catalog that scored the row last; 0: never scored.
    pub catalog_version: i32,
    pub erased: bool,
    /// Whether the user has a row whose segments are not null.
    pub has_segments: bool,
    /// Whether the user is in the sample.
    pub sampled: bool,
    /// Read for users in the sample, and if it decides whether the row is right.
    pub state: Option<Result<State, CodecError>>,
    /// Read for users in the sample.
    pub row: Option<StoredRow>,
}

/// `offset 0` keeps the planner from flattening the subquery, so that each row is an index look-up.
const READ: &str = r#"
with page as materialized (
    select *, $3 = 1 or ($3 > 1 and mod(hashtextextended(user_id, $4), greatest($3, 1)) = 0) as sampled
    from segmenter.profile_states where user_id > $1 order by user_id limit $2
)
select p.user_id, p.sampled, p.revision, p.published, p.erased_at, p.catalog_version, p.job_id,
       v.segments is not null as has_segments,
       case when p.sampled or (v.segments is null and p.catalog_version > 0)
                 or (v.segments is not null and p.erased_at is not null) then p.state end as state,
       case when p.sampled then v.source end as source,
       case when p.sampled then v.segments::text end as segments,
       case when p.sampled then v."primarySegment"::text end as primary_segment,
       case when p.sampled then v."segmentConfidence"::float8 end as confidence,
       case when p.sampled then (extract(epoch from v."lastSegmentUpdate") * 1000)::bigint end as last_update,
       case when p.sampled then v.vector::text end as vector
from page p
left join lateral (
    select source, segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate", vector
    from public.user_vectors where "userId" = p.user_id collate "default" offset 0
) v on true
order by p.user_id"#;

/// A page of states after the user `after`, in bytewise order; those in the sample in full.
///
/// # Errors
/// The database does not answer.
pub async fn states(pool: &Pool, sample: Sample, after: &str) -> Result<Vec<StoredUser>, StoreError> {
    let rows = pool.fetch_all(pool.query(READ).bind(after).bind(PAGE).bind(sample.one_in).bind(sample.seed)).await?;
    Ok(rows.iter().map(stored_user).collect::<Result<_, _>>()?)
}

fn stored_user(row: &PgRow) -> Result<StoredUser, sqlx::Error> {
    let sampled: bool = row.try_get("sampled")?;
    let has_state = row.try_get::<Option<&[u8]>, _>("state")?.is_some();
    let state = has_state.then(|| StateRow::from_row(row)).transpose()?;
    Ok(StoredUser {
        user: row.try_get("user_id")?,
        published: Published::of_state(row.try_get("revision")?, row.try_get("published")?, row.try_get("erased_at")?),
        catalog_version: row.try_get("catalog_version")?,
        erased: row.try_get::<Option<i64>, _>("erased_at")?.is_some(),
        has_segments: row.try_get("has_segments")?,
        sampled,
        state: state.map(StateRow::into_state),
        row: stored_row(row)?,
    })
}

/// The number of users with a state, counted page by page.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn count_states(pool: &Pool) -> Result<i64, StoreError> {
    count(
        pool,
        "select count(*), max(user_id) from (
           select user_id from segmenter.profile_states where user_id > $1 order by user_id limit $2) page",
    )
    .await
}

/// A page of deleted users whose tombstone is or will be published, after the user `after`.
///
/// # Errors
/// The database does not answer.
pub async fn deleted(pool: &Pool, after: &str) -> Result<Vec<(String, Published)>, StoreError> {
    let page = pool.query_as(
        "select d.user_id, d.revision, d.erased_at from segmenter.deleted_users d
          where d.user_id > $1 and d.revision > 0
            and not exists (select from segmenter.profile_states s where s.user_id = d.user_id)
          order by d.user_id limit $2",
    );
    let rows: Vec<(String, i64, Option<i64>)> = pool.fetch_all(page.bind(after).bind(PAGE)).await?;
    let one = |(user, revision, erased_at)| (user, Published::of_deleted_user(revision, erased_at));
    Ok(rows.into_iter().map(one).collect())
}
