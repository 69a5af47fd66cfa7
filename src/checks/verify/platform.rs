//! Reads the platform's tables, joined with our states: users, vectors, onboarding profiles.

use crate::store::error::StoreError;
use crate::store::sql::Pool;

use super::PAGE;

/// The number of keys in a page of a count: an index-only scan if the table has been vacuumed.
pub(super) const COUNTED_PAGE: i64 = 100_000;

/// The number of the platform's users, counted page by page.
///
/// # Errors
/// The database does not answer, or the table does not exist.
pub(crate) async fn count_users(pool: &Pool) -> Result<i64, StoreError> {
    count(pool, "select count(*), max(id) from (select id from public.users where id > $1 order by id limit $2) page")
        .await
}

/// Counts keys by a statement that gives the number of a page's keys after `$1`, at most `$2`, and the last one.
pub(super) async fn count(pool: &Pool, page: &'static str) -> Result<i64, StoreError> {
    let (mut counted, mut after) = (0, String::new());
    loop {
        let page = pool.query_as(page).bind(after).bind(COUNTED_PAGE);
        let (found, last): (i64, Option<String>) = pool.fetch_one(page).await?;
        counted += found;
        let Some(last) = last else { return Ok(counted) };
        after = last;
    }
}

/// Whether `travel_onboarding_profiles` exists and may be read: the service needs no right on it.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn may_read_profiles(pool: &Pool) -> Result<bool, StoreError> {
    pool.fetch_one(pool.query_scalar(
        "select coalesce(bool_and(has_column_privilege(attrelid, attnum, 'select')), false) from pg_attribute
          where attrelid = to_regclass('public.travel_onboarding_profiles') and attname in ('userId', 'isCompleted')",
    ))
    .await
}

/// A page of onboarding profiles after the user `after`. For a completed one: `segments` if the user has them, `erased`
/// if a tombstone ever erased the user, else the way in which the segments are missing.
///
/// # Errors
/// The database does not answer, or the table does not exist.
pub(crate) async fn completed_profiles(pool: &Pool, after: &str) -> Result<Vec<(String, Option<String>)>, StoreError> {
    pool.fetch_all(
        pool.query_as(
            r#"
        select t."userId", case when not t."isCompleted" then null when v.has_segments then 'segments'
                                when coalesce(s.erased, d.erased, false) then 'erased'
                                when v.has_segments is not null then 'a vector without segments' else 'no vector' end
        from (
            select "userId", "isCompleted" from public.travel_onboarding_profiles
            where "userId" > $1 order by "userId" limit $2
        ) t
        left join lateral (
            select segments is not null as has_segments from public.user_vectors where "userId" = t."userId" offset 0
        ) v on true
        left join lateral (
            select erased_at is not null as erased
            from segmenter.profile_states where user_id = t."userId" offset 0
        ) s on true
        left join lateral (
            select erased_at is not null as erased from segmenter.deleted_users where user_id = t."userId" offset 0
        ) d on true
        order by t."userId""#,
        )
        .bind(after)
        .bind(PAGE),
    )
    .await
}

/// The segment columns of a row of `user_vectors`.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownRow {
    pub user: String,
    pub segments: Option<String>,
    pub primary_segment: Option<String>,
    pub segment_confidence: Option<f64>,
    /// Whether `lastSegmentUpdate` is not null.
    pub dated: bool,
    pub has_state: bool,
}

/// A page of rows after the user `after`, in the database's own order. The columns are cast, because a column of
/// another type is a finding, not an error.
///
/// # Errors
/// The database does not answer.
pub async fn vectors(pool: &Pool, after: &str) -> Result<Vec<ShownRow>, StoreError> {
    type Columns = (String, Option<String>, Option<String>, Option<f64>, bool, bool);
    let rows: Vec<Columns> = pool
        .fetch_all(
            pool.query_as(
                r#"
        select v."userId", v.segments::text, v."primarySegment"::text, v."segmentConfidence"::float8,
               v."lastSegmentUpdate" is not null, s.user_id is not null
        from (
            select "userId", segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate"
            from public.user_vectors where "userId" > $1 order by "userId" limit $2
        ) v
        left join lateral (
            select user_id from segmenter.profile_states where user_id = v."userId" offset 0
        ) s on true
        order by v."userId""#,
            )
            .bind(after)
            .bind(PAGE),
        )
        .await?;
    let row = |(user, segments, primary_segment, segment_confidence, dated, has_state)| ShownRow {
        user,
        segments,
        primary_segment,
        segment_confidence,
        dated,
        has_state,
    };
    Ok(rows.into_iter().map(row).collect())
}
