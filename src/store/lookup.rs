//! Reading for people and dashboards: one user's state, the distribution of segments. No locks, nothing is written.

use sqlx::postgres::PgPool;
use sqlx::{FromRow, Row};

use super::states::StateRow;
use crate::event::UserId;
use crate::pipeline::codec::CodecError;
use crate::pipeline::state::State;
use crate::store::sql;

/// The state of a user; the outer `Result` is the database's, the inner one the stored bytes'.
///
/// # Errors
/// The database does not answer.
pub async fn user(pool: &PgPool, user: &UserId) -> Result<Result<State, CodecError>, sqlx::Error> {
    let row = sql::query(
        r#"
        select coalesce(s.revision, d.revision) as revision, s.said,
               coalesce(s.erased_at, d.erased_at) as erased_at, s.catalog_version, s.job_id, s.state
        from (select $1::text as user_id) k
        left join segmenter.profile_states s on s.user_id = k.user_id
        left join segmenter.departed d on d.user_id = k.user_id and s.user_id is null"#,
    )
    .bind(user.as_str())
    .fetch_one(sql::unit(pool).await?.connection())
    .await?;
    Ok(StateRow::from_row(&row)?.into_state())
}

/// How many users have a segment as their primary one, and with what confidence on average.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// `None` for users with segments none of which qualified.
    pub primary_segment: Option<String>,
    pub users: i64,
    /// 0 to 1; `None` where there is no primary segment.
    pub average_confidence: Option<f64>,
}

/// How long counting may take: it reads the whole table.
const COUNTING: &str = "5s";

/// The distribution of primary segments, the largest first.
///
/// # Errors
/// The database does not answer, or not in time.
pub async fn distribution(pool: &PgPool) -> Result<Vec<Share>, sqlx::Error> {
    let mut transaction = sql::begin_in(pool).await?;
    sql::query("select set_config('statement_timeout', $1, true)").bind(COUNTING).execute(&mut *transaction).await?;
    let rows = sql::query(
        r#"
        select "primarySegment" as primary_segment, count(*) as users, avg("segmentConfidence") as average_confidence
        from public.user_vectors where segments is not null
        group by "primarySegment" order by count(*) desc, "primarySegment""#,
    )
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    rows.iter()
        .map(|row| {
            Ok(Share {
                primary_segment: row.try_get("primary_segment")?,
                users: row.try_get("users")?,
                average_confidence: row.try_get("average_confidence")?,
            })
        })
        .collect()
}
