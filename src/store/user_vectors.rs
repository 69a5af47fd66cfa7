//! Writes `public.user_vectors`, which the AI service owns and writes too: only our columns, and only if a value differs.

use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use time::PrimitiveDateTime;
use uuid::Uuid;

use super::sql::Sessions;
use crate::domain::event::UserId;
use crate::domain::row::{RowContent, ShownSegment};

/// The namespace of the ids of inserted rows: an id is the UUIDv5 of the user in it.
pub(crate) const ROW_ID_NAMESPACE: Uuid = Uuid::from_u128(0x2d84_91c7_53be_5e0f_8a16_b9e2_4f07_ac35);

/// A learned vector (`behavior`, `hybrid`) is never overwritten; the `source` of the current row decides. `source` is set on
/// insert only. Times are UTC in every session time zone.
const UPSERT: &str = r#"
insert into public.user_vectors as held
    (id, "userId", vector, source, segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate", "createdAt", "updatedAt")
select k.id, k.user_id, k.vector, 'onboarding', k.segments, k.primary_segment, k.confidence, k.last_update,
       clock_timestamp() at time zone 'UTC', clock_timestamp() at time zone 'UTC'
from (select unnest($1::text[]) as id, unnest($2::text[]) as user_id, unnest($3::jsonb[]) as vector,
             unnest($4::jsonb[]) as segments, unnest($5::text[]) as primary_segment, unnest($6::float8[]) as confidence,
             unnest($7::timestamp[]) as last_update) k
on conflict ("userId") do update set
    vector = case when held.source in ('behavior', 'hybrid') then held.vector else excluded.vector end,
    segments = excluded.segments,
    "primarySegment" = excluded."primarySegment",
    "segmentConfidence" = excluded."segmentConfidence",
    "lastSegmentUpdate" = excluded."lastSegmentUpdate",
    "updatedAt" = excluded."updatedAt"
where held."lastSegmentUpdate" is distinct from excluded."lastSegmentUpdate"
   or held."primarySegment" is distinct from excluded."primarySegment"
   or held."segmentConfidence" is distinct from excluded."segmentConfidence"
   or held.segments is distinct from excluded.segments
   or (held.source not in ('behavior', 'hybrid') and held.vector is distinct from excluded.vector)"#;

/// How the id of an inserted row is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowIds {
    /// The UUIDv5 of the user.
    Derived,
    /// Random, after another user's row held the derived id (a user renamed on the platform).
    Random,
}

/// Upserts the rows; `rows` is in bytewise order of the users.
pub async fn upsert(
    connection: &mut PgConnection,
    rows: &[(&UserId, &RowContent)],
    ids: RowIds,
    sessions: &Sessions,
) -> Result<(), sqlx::Error> {
    let mut row_ids: Vec<String> = Vec::with_capacity(rows.len());
    let mut users: Vec<&str> = Vec::with_capacity(rows.len());
    let mut vectors: Vec<Json<&[f64; 8]>> = Vec::with_capacity(rows.len());
    let mut segments: Vec<Json<&[ShownSegment]>> = Vec::with_capacity(rows.len());
    let mut primaries: Vec<Option<&str>> = Vec::with_capacity(rows.len());
    let mut confidences: Vec<Option<f64>> = Vec::with_capacity(rows.len());
    let mut updates: Vec<PrimitiveDateTime> = Vec::with_capacity(rows.len());
    for (user, row) in rows {
        row_ids.push(match ids {
            RowIds::Derived => Uuid::new_v5(&ROW_ID_NAMESPACE, user.as_str().as_bytes()).to_string(),
            RowIds::Random => Uuid::new_v4().to_string(),
        });
        users.push(user.as_str());
        vectors.push(Json(&row.vector));
        segments.push(Json(&row.segments));
        primaries.push(row.primary_segment());
        confidences.push(row.segment_confidence());
        let utc = row.last_segment_update.to_utc();
        updates.push(PrimitiveDateTime::new(utc.date(), utc.time()));
    }
    sessions
        .query(UPSERT)
        .bind(row_ids)
        .bind(users)
        .bind(vectors)
        .bind(segments)
        .bind(primaries)
        .bind(confidences)
        .bind(updates)
        .execute(connection)
        .await?;
    Ok(())
}

/// Of every row, whatever its source: the row is locked from here on, so its source does not change before the delete.
const CLEAR: &str = r#"
update public.user_vectors set
    segments = null, "primarySegment" = null, "segmentConfidence" = null, "lastSegmentUpdate" = null,
    "updatedAt" = clock_timestamp() at time zone 'UTC'
where "userId" = any($1)
  and (segments is not null or "primarySegment" is not null or "segmentConfidence" is not null or "lastSegmentUpdate" is not null)"#;

const DELETE: &str =
    r#"delete from public.user_vectors where "userId" = any($1) and source not in ('behavior', 'hybrid')"#;

/// Removes erased users: clears our columns, and deletes the row unless its vector is a learned one.
pub async fn remove(connection: &mut PgConnection, users: &[&str], sessions: &Sessions) -> Result<(), sqlx::Error> {
    sessions.query_by_keys(CLEAR, users.len()).bind(users).execute(&mut *connection).await?;
    sessions.query_by_keys(DELETE, users.len()).bind(users).execute(connection).await?;
    Ok(())
}
