//! `segmenter.positions`: how far each input partition has been applied to this database. Only `serve` writes it.
//!
//! A position is raised by a statement that compares first. What was acknowledged earlier in the same history stands earlier in
//! the write-ahead log, so a raised position that survives a failover proves that everything before it survived too.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::error::StoreError;
use super::history::{Histories, History, history};
use super::sql::Pool;

/// A partition of a topic, by the topic's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey {
    pub topic_id: Uuid,
    pub partition: i32,
}

/// A stored position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPosition {
    pub next_offset: i64,
    /// Where it was raised; `None` while the topic may be ahead of the database.
    pub history: Option<History>,
}

/// The row of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionRow {
    /// None, though the group has read other partitions of the topic: the partition was added later.
    Added,
    /// The partition was there when the group first started the topic, and was never started.
    NeverStarted,
    Stored(StoredPosition),
}

/// A position to write: every record before `next_offset` is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub key: PartitionKey,
    /// The position confirmed last.
    pub confirmed: i64,
    pub next_offset: i64,
    /// Where the records between the two were applied.
    pub ran_in: Histories,
    /// Whether the topic may still be ahead of the database; the row then stays marked so.
    pub repairs: bool,
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Raised,
    /// The database has lost, or may have lost, what was applied since. With the position stored.
    Lost {
        stored: i64,
    },
}

/// The rule of the comparing write. A position is raised if nothing can have been lost since the last confirmed one.
pub fn may_raise(claim: &Claim, stored: i64, present: History) -> bool {
    stored >= claim.confirmed && claim.ran_in.are_all(present)
}

/// Locks the rows in the order of their keys. `$6` is 0 where the claim's records ran in several histories, null where there
/// was none. The row is written even where nothing changes: a standby cannot answer a write.
const CONFIRM: &str = concat!(
    "with given as (
       select * from unnest($2::uuid[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bool[])
         as g(topic_id, partition, confirmed, next_offset, ran_in, repairs)
     ), present as (
       select ",
    history!(),
    " as history
     ), held as (
       select p.topic_id, p.partition, p.next_offset as stored, g.next_offset, g.repairs, n.history,
              p.next_offset >= g.confirmed and (g.ran_in is null or g.ran_in = n.history) as raised
       from segmenter.positions p join given g on g.topic_id = p.topic_id and g.partition = p.partition cross join present n
       where p.group_id = $1 and p.next_offset is not null
       order by p.topic_id, p.partition for no key update of p
     )
     update segmenter.positions p set
       next_offset = case when h.raised then greatest(h.stored, h.next_offset) else h.stored end,
       history = case when h.raised and not h.repairs then h.history else p.history end,
       written_at = clock_timestamp()
     from held h
     where p.group_id = $1 and p.topic_id = h.topic_id and p.partition = h.partition
     returning p.topic_id, p.partition, h.raised, h.stored"
);

/// Writes claims of one group; returns the answer to each whose row exists, in any order.
///
/// # Errors
/// The database is unavailable; whether the claims were written is unknown.
pub async fn confirm(pool: &Pool, group: &str, claims: &[Claim]) -> Result<Vec<(PartitionKey, Answer)>, StoreError> {
    let statement = pool
        .query(CONFIRM)
        .bind(group.to_owned())
        .bind(claims.iter().map(|claim| claim.key.topic_id).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.key.partition).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.confirmed).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.next_offset).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.ran_in.parameter()).collect::<Vec<_>>())
        .bind(claims.iter().map(|claim| claim.repairs).collect::<Vec<_>>());
    let rows = pool.fetch_all(statement).await?;
    Ok(rows.iter().map(answer).collect::<Result<Vec<_>, _>>()?)
}

fn answer(row: &PgRow) -> Result<(PartitionKey, Answer), sqlx::Error> {
    let key = PartitionKey { topic_id: row.try_get("topic_id")?, partition: row.try_get("partition")? };
    let answer = if row.try_get("raised")? { Answer::Raised } else { Answer::Lost { stored: row.try_get("stored")? } };
    Ok((key, answer))
}

/// Positions that no process has written for this long are deleted, but those of the topic that is being started.
const UNUSED: &str = "90 days";

/// Reads the row of a partition, and the present history. At the group's first start of the topic, which has `partitions`
/// partitions, their rows are created, so that a partition that is added later is known as such.
///
/// # Errors
/// The database is unavailable.
pub async fn read(
    pool: &Pool,
    group: &str,
    key: PartitionKey,
    partitions: i32,
) -> Result<(PositionRow, History), StoreError> {
    let create = pool
        .query(
            "insert into segmenter.positions (group_id, topic_id, partition)
             select $1, $2, number from generate_series(0, $3 - 1) as number
             where not exists (select from segmenter.positions where group_id = $1 and topic_id = $2)
             on conflict do nothing",
        )
        .bind(group.to_owned())
        .bind(key.topic_id)
        .bind(partitions);
    let select = pool
        .query(concat!(
            "select p.group_id is not null as is_there, p.next_offset, p.history, n.history as present from (select ",
            history!(),
            " as history) n
             left join segmenter.positions p on p.group_id = $1 and p.topic_id = $2 and p.partition = $3"
        ))
        .bind(group.to_owned())
        .bind(key.topic_id)
        .bind(key.partition);
    let read = async |transaction: &mut PgConnection| {
        create.execute(&mut *transaction).await?;
        select.fetch_one(transaction).await
    };
    let row = pool.transaction(read).await?;
    let position = match (row.try_get("is_there")?, stored(&row)?) {
        (false, _) => PositionRow::Added,
        (true, None) => PositionRow::NeverStarted,
        (true, Some(position)) => PositionRow::Stored(position),
    };
    Ok((position, History(row.try_get("present")?)))
}

/// The position in the columns `next_offset` and `history`; `None` if the partition was never started.
pub(super) fn stored(row: &PgRow) -> Result<Option<StoredPosition>, sqlx::Error> {
    let next_offset: Option<i64> = row.try_get("next_offset")?;
    let Some(next_offset) = next_offset else { return Ok(None) };
    let history: i64 = row.try_get("history")?;
    Ok(Some(StoredPosition { next_offset, history: (history != 0).then_some(History(history)) }))
}

/// Writes the first position of a partition.
const ADD: &str = concat!(
    "insert into segmenter.positions (group_id, topic_id, partition, next_offset, history)
     select $1, $2, $3, $4, $5 where $6 = ",
    history!(),
    " on conflict do nothing"
);

/// Writes over the position `$7` with the history `$8`.
const REPLACE: &str = concat!(
    "update segmenter.positions set next_offset = $4, history = $5, written_at = clock_timestamp()
     where group_id = $1 and topic_id = $2 and partition = $3 and next_offset is not distinct from $7 and history = $8 and $6 = ",
    history!()
);

/// Sets the position of a partition that starts, downwards too, if the server is the one on which [`read`] found `row` and the row is
/// still the same; returns whether it is set. A process that was paused meanwhile changes nothing. `position.history` is `None` while
/// the topic may be ahead. Deletes positions that no process has written for [`UNUSED`].
///
/// # Errors
/// The database is unavailable.
pub async fn set(
    pool: &Pool,
    group: &str,
    key: PartitionKey,
    position: StoredPosition,
    (row, present): (PositionRow, History),
) -> Result<bool, StoreError> {
    let number = |history: Option<History>| history.map_or(0, |history| history.0);
    let set = pool.query(if row == PositionRow::Added { ADD } else { REPLACE });
    let set = set
        .bind(group.to_owned())
        .bind(key.topic_id)
        .bind(key.partition)
        .bind(position.next_offset)
        .bind(number(position.history))
        .bind(present.0);
    let set = match row {
        PositionRow::Added => set,
        PositionRow::NeverStarted => set.bind(None::<i64>).bind(number(None)),
        PositionRow::Stored(stored) => set.bind(Some(stored.next_offset)).bind(number(stored.history)),
    };
    let forget = pool
        .query(
            "delete from segmenter.positions
             where written_at < clock_timestamp() - $3::interval and (group_id, topic_id) <> ($1, $2)",
        )
        .bind(group.to_owned())
        .bind(key.topic_id)
        .bind(UNUSED);
    let write = async |transaction: &mut PgConnection| {
        let is_set = set.execute(&mut *transaction).await?.rows_affected() > 0;
        forget.execute(transaction).await.map(|_| is_set)
    };
    pool.transaction(write).await
}
