//! Who waits in the outbox: users of whom something is committed that may not have been said yet.

use sqlx::Row as _;
use sqlx::postgres::PgPool;

use super::outbox::{self, Content};
use crate::store::sql;

/// How many outbox rows are read at a time; a row may hold a whole batch.
const PAGE: i64 = 200;

/// What has been met in the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    pub rows: u64,
    /// The ids of rows in a format that this version does not know.
    pub unreadable: Vec<i64>,
}

/// Calls `see` with each user of each outbox row, a page at a time: nothing is locked and nothing is held.
///
/// # Errors
/// The database does not answer.
pub async fn each_waiting_user(pool: &PgPool, mut see: impl FnMut(&str)) -> Result<Waiting, sqlx::Error> {
    let mut waiting = Waiting::default();
    let mut after = i64::MIN;
    loop {
        let rows = sql::query("select id, users, body from segmenter.outbox where id > $1 order by id limit $2")
            .bind(after)
            .bind(PAGE)
            .fetch_all(&mut *sql::begin_in(pool).await?)
            .await?;
        for row in &rows {
            after = row.try_get("id")?;
            waiting.rows += 1;
            match outbox::content(row.try_get("users")?, row.try_get("body")?) {
                Some(Content::Changes(changes)) => changes.iter().for_each(|change| see(change.user.as_str())),
                Some(Content::Users(users)) => users.iter().for_each(|user| see(user.as_str())),
                None => waiting.unreadable.push(after),
            }
        }
        if rows.is_empty() {
            return Ok(waiting);
        }
    }
}
