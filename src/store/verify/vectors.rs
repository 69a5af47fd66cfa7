//! Rows of `user_vectors`, by user.

use sqlx::postgres::PgPool;

use super::PAGE;
use crate::store::sql;

/// What a row shows of segments.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownRow {
    pub user: String,
    pub segments: Option<String>,
    pub primary_segment: Option<String>,
    pub segment_confidence: Option<f64>,
    /// Whether `lastSegmentUpdate` is there.
    pub dated: bool,
    pub has_state: bool,
}

/// A page of rows after the user `after`, in the database's own order. Casts: a column of another type is a finding, not an
/// error.
///
/// # Errors
/// The database does not answer.
pub async fn vectors(pool: &PgPool, after: &str) -> Result<Vec<ShownRow>, sqlx::Error> {
    type Columns = (String, Option<String>, Option<String>, Option<f64>, bool, bool);
    let rows: Vec<Columns> = sql::query_as(
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
    .bind(PAGE)
    .fetch_all(&mut *sql::begin_in(pool).await?)
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
