//! Reading for people and dashboards: one user's state, the distribution of segments. No locks, nothing is written.

use serde::Serialize;
use sqlx::Row;
use sqlx::postgres::PgPool;

use super::states::{self, Asked};
use crate::event::UserId;
use crate::pipeline::codec::CodecError;
use crate::pipeline::state::State;
use crate::store::sql;

/// The state of a user; the outer `Result` is the database's, the inner one the stored bytes'.
///
/// # Errors
/// The database does not answer.
pub async fn user(pool: &PgPool, user: &UserId) -> Result<Result<State, CodecError>, sqlx::Error> {
    let mut transaction = sql::begin_in(pool).await?;
    let snapshot = states::read(&mut transaction, &[user.as_str()], Asked::OfNobody).await?;
    let current = snapshot.users.into_iter().next().ok_or(sqlx::Error::RowNotFound)?;
    Ok(current.map(|current| current.state))
}

/// How many users have a segment as their primary one, and with what confidence on average.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
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
