//! The distribution of primary segments, from a sample of the table's blocks: its cost does not grow with the table.

use serde::Serialize;
use sqlx::{PgConnection, Row};
use utoipa::ToSchema;

use super::error::StoreError;
use super::sql::Pool;

/// How many blocks of `user_vectors` are read at most: 8 MiB, about ten thousand rows.
pub const SAMPLED_BLOCKS: i64 = 1_000;

/// Users by primary segment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// The part of the table that was read, 0 to 1. With 1 the numbers are counts, else estimates.
    pub sampled: f64,
    /// Users that were scored.
    pub users: i64,
    /// The largest first.
    pub shares: Vec<Share>,
}

/// The number of users with a primary segment, and their average confidence.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// `None` for scored users for which no segment qualified.
    #[schema(required)]
    pub primary_segment: Option<String>,
    pub users: i64,
    /// 0 to 1; `None` where there is no primary segment.
    #[schema(required)]
    pub average_confidence: Option<f64>,
}

const BLOCKS: &str = "select pg_relation_size('public.user_vectors') / current_setting('block_size')::bigint";

/// A repeated sample reads the same blocks, as far as the table has not grown: they stay in the server's memory, and the numbers of
/// two readings can be compared.
const SAMPLE: &str = r#"
select "primarySegment" as primary_segment, count(*) as users, avg("segmentConfidence") as average_confidence
from public.user_vectors tablesample system ($1) repeatable (0)
where segments is not null
group by "primarySegment" order by count(*) desc, "primarySegment""#;

/// Reads the sample.
///
/// # Errors
/// The database is unavailable.
pub async fn sampled(pool: &Pool) -> Result<Distribution, StoreError> {
    let read = async |connection: &mut PgConnection| {
        let blocks: i64 = pool.query_scalar(BLOCKS).fetch_one(&mut *connection).await?;
        let sampled = (SAMPLED_BLOCKS as f64 / blocks.max(1) as f64).min(1.0);
        let rows = pool.query(SAMPLE).bind((sampled * 100.0) as f32).fetch_all(connection).await?;
        Ok::<_, sqlx::Error>((sampled, rows))
    };
    let (sampled, rows) = pool.read(read).await?;
    let mut shares = Vec::with_capacity(rows.len());
    for row in &rows {
        let found: i64 = row.try_get("users")?;
        shares.push(Share {
            primary_segment: row.try_get("primary_segment")?,
            users: (found as f64 / sampled).round() as i64,
            average_confidence: row.try_get("average_confidence")?,
        });
    }
    Ok(Distribution { sampled, users: shares.iter().map(|share| share.users).sum(), shares })
}
