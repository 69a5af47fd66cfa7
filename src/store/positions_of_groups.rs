//! `segmenter.positions` of all groups, for operators: listing the rows, and deleting those of a group that is used no more.

use std::time::Duration;

use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::audit::{Act, Entry, Operator};
use super::error::StoreError;
use super::history::{History, history};
use super::positions::{PartitionKey, PositionRow, StoredPosition, stored};
use super::sql::{Pool, Statement};

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPosition {
    pub group: String,
    pub key: PartitionKey,
    /// `None`: the partition was never started.
    pub position: Option<StoredPosition>,
    /// The time since it was written, by the database's clock.
    pub age: Duration,
}

/// All rows, by group, topic and partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPositions {
    pub rows: Vec<ListedPosition>,
    /// The server that answered.
    pub present: History,
}

impl ListedPositions {
    /// The rows of a group.
    pub fn of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a ListedPosition> {
        self.rows.iter().filter(move |row| row.group == group)
    }

    /// The row of a partition as the group's next start finds it, and its age if there is one.
    pub(crate) fn at_start(&self, group: &str, key: PartitionKey) -> (PositionRow, Option<Duration>) {
        let mut of_topic = self.of(group).filter(|row| row.key.topic_id == key.topic_id).peekable();
        if of_topic.peek().is_none() {
            // That start creates the rows of the topic's present partitions.
            return (PositionRow::NeverStarted, None);
        }
        match of_topic.find(|row| row.key == key) {
            None => (PositionRow::Added, None),
            Some(row) => (row.position.map_or(PositionRow::NeverStarted, PositionRow::Stored), Some(row.age)),
        }
    }
}

macro_rules! columns {
    () => {
        "select group_id, topic_id, partition, next_offset, history,
                extract(epoch from greatest(clock_timestamp() - written_at, interval '0'))::float8 as age
           from segmenter.positions "
    };
}

/// Lists the rows.
///
/// # Errors
/// The database is unavailable.
pub async fn list(pool: &Pool) -> Result<ListedPositions, StoreError> {
    listed_by(pool, pool.query(concat!(columns!(), "order by group_id, topic_id, partition"))).await
}

/// Lists the rows of one group, by the table's key.
///
/// # Errors
/// The database is unavailable.
pub(crate) async fn of_group(pool: &Pool, group: &str) -> Result<ListedPositions, StoreError> {
    let rows = pool.query(concat!(columns!(), "where group_id = $1 order by topic_id, partition"));
    listed_by(pool, rows.bind(group.to_owned())).await
}

async fn listed_by(pool: &Pool, rows: Statement) -> Result<ListedPositions, StoreError> {
    let rows = pool.fetch_all(rows).await?.iter().map(listed).collect::<Result<_, _>>()?;
    let present = pool.fetch_one(pool.query_scalar(concat!("select ", history!()))).await?;
    Ok(ListedPositions { rows, present: History(present) })
}

fn listed(row: &PgRow) -> Result<ListedPosition, sqlx::Error> {
    let key = PartitionKey { topic_id: row.try_get("topic_id")?, partition: row.try_get("partition")? };
    let age = Duration::try_from_secs_f64(row.try_get("age")?).unwrap_or_default();
    Ok(ListedPosition { group: row.try_get("group_id")?, key, position: stored(row)?, age })
}

/// A group whose rows are younger has a process that writes them.
pub(crate) const IN_USE: Duration = Duration::from_secs(60);

/// Deletes the rows of a group; none of a group that is in use. Returns their number.
///
/// # Errors
/// The database is unavailable.
pub async fn forget(pool: &Pool, group: &str, operator: &Operator) -> Result<u64, StoreError> {
    let delete = pool.query(
        "delete from segmenter.positions where group_id = $1 and not exists (
           select from segmenter.positions where group_id = $1 and written_at > clock_timestamp() - make_interval(secs => $2))",
    );
    let delete = delete.bind(group.to_owned()).bind(IN_USE.as_secs_f64());
    let entry = Entry { operator: operator.clone(), act: Act::ForgetPositions, arguments: json!({"group": group}) };
    let forget = async |transaction: &mut PgConnection| {
        let deleted = delete.execute(&mut *transaction).await?.rows_affected();
        if deleted > 0 {
            entry.write(transaction).await?;
        }
        Ok::<_, sqlx::Error>(deleted)
    };
    pool.transaction(forget).await
}
