//! The outbox: committed changes that may be unpublished, one row a fold, leased to one publisher at a time.

use std::collections::HashSet;
use std::time::Duration;

use crate::store::sql::{Pool, Sessions};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow, types::PgInterval};
use sqlx::types::time::OffsetDateTime;
use uuid::Uuid;

use super::Store;
use super::error::StoreError;
use super::jobs::{self, Checkpoint};
use super::states::{self, UserCheck};
use crate::codec::stored;
use crate::domain::event::{Millis, UserId};
use crate::domain::ranking_change::RankingChange;

/// Which row it is, on whatever server: after a failover the ids of lost rows are given to other ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowKey {
    pub id: i64,
    pub created_at: OffsetDateTime,
}

/// One outbox row, leased to this process.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    pub key: RowKey,
    pub content: Content,
    /// Since when the changes are due: the timestamp of the oldest record that caused them. `None` for those of a job.
    pub since: Option<Millis>,
}

/// The content of an outbox row.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Publish these changes, which a fold made.
    Changes(Vec<RankingChange>),
    /// Publish the present state of these users: they were deleted or renamed on the platform, or are republished.
    Users(Vec<UserId>),
}

impl Content {
    /// How many changes a fold made.
    pub(crate) fn changes(&self) -> u64 {
        match self {
            Self::Changes(changes) => changes.len() as u64,
            Self::Users(_) => 0,
        }
    }

    /// Whether events made the changes, not a job. A fold has one cause for all of its changes.
    fn is_of_events(&self) -> bool {
        let is_of_job = |change: &RankingChange| change.body.ranking().is_some_and(|new| new.replay_id.is_some());
        matches!(self, Self::Changes(changes) if !changes.iter().any(is_of_job))
    }
}

/// How full the outbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    pub rows: i64,
    /// The age of the oldest row.
    pub oldest: Duration,
}

/// Inserts a row of a fold's changes, leased to `owner` from the start.
pub async fn insert(
    connection: &mut PgConnection,
    owner: Uuid,
    lease: Duration,
    changes: &[RankingChange],
    sessions: &Sessions,
) -> Result<RowKey, StoreError> {
    let body = stored::encode_changes(changes)?;
    Ok(insert_row(connection, owner, lease, (None, Some(body)), sessions).await?)
}

/// Inserts a row that has the last change of `users` published again, leased to `owner` from the start.
pub(crate) async fn insert_users(
    connection: &mut PgConnection,
    owner: Uuid,
    lease: Duration,
    users: &[UserId],
    sessions: &Sessions,
) -> Result<RowKey, sqlx::Error> {
    let users = users.iter().map(UserId::as_str).collect();
    insert_row(connection, owner, lease, (Some(users), None), sessions).await
}

async fn insert_row(
    connection: &mut PgConnection,
    owner: Uuid,
    lease: Duration,
    (users, body): (Option<Vec<&str>>, Option<Vec<u8>>),
    sessions: &Sessions,
) -> Result<RowKey, sqlx::Error> {
    let insert = sessions.query(
        "insert into segmenter.outbox (owner, leased_until, users, body) values ($1, clock_timestamp() + $2, $3, $4)
         returning id, created_at",
    );
    let row = insert.bind(owner).bind(interval(lease)).bind(users).bind(body).fetch_one(connection).await?;
    key(&row)
}

fn key(row: &PgRow) -> Result<RowKey, sqlx::Error> {
    Ok(RowKey { id: row.try_get("id")?, created_at: row.try_get("created_at")? })
}

impl Store {
    /// Inserts an outbox row for `users`, leased to this process, and writes `checkpoint` in the same transaction.
    ///
    /// # Errors
    /// The database is unavailable, or the job has another owner.
    pub async fn republish(
        &self,
        users: &[UserId],
        checkpoint: &Checkpoint,
    ) -> Result<Option<Publication>, StoreError> {
        let write = async |transaction: &mut PgConnection| {
            let publication = if users.is_empty() {
                None
            } else {
                let key = insert_users(transaction, self.owner, self.lease, users, &self.pool).await?;
                Some(Publication { key, content: Content::Users(users.to_vec()), since: None })
            };
            jobs::checkpoint(transaction, checkpoint, &self.pool).await?;
            Result::<_, StoreError>::Ok(publication)
        };
        self.pool.transaction(write).await
    }
}

/// Takes over up to `limit` rows whose lease has run out, or that never had one.
///
/// The second list has the ids of rows in a format unknown to this version; they are left to a version that knows it.
pub async fn take_over(
    pool: &Pool,
    owner: Uuid,
    lease: Duration,
    limit: i64,
) -> Result<(Vec<Publication>, Vec<i64>), StoreError> {
    let taken = pool
        .query(
            r#"
        update segmenter.outbox set owner = $1, leased_until = clock_timestamp() + $2
        where id in (
            select id from segmenter.outbox where leased_until < clock_timestamp()
            order by id limit $3 for update skip locked)
        returning id, created_at, users, body"#,
        )
        .bind(owner)
        .bind(interval(lease))
        .bind(limit);
    let rows = pool.fetch_all(taken).await?;
    let mut taken = Vec::with_capacity(rows.len());
    let mut unreadable = Vec::new();
    for row in rows {
        let key = key(&row)?;
        let users: Option<Vec<String>> = row.try_get("users")?;
        let body: Option<Vec<u8>> = row.try_get("body")?;
        match content(users, body.as_deref()) {
            Some(content) => {
                // The records' own timestamps are not stored.
                let since = content.is_of_events().then(|| millis(key.created_at));
                taken.push(Publication { key, content, since });
            }
            None => unreadable.push(key.id),
        }
    }
    taken.sort_by_key(|publication| publication.key.id);
    Ok((taken, unreadable))
}

fn content(users: Option<Vec<String>>, body: Option<&[u8]>) -> Option<Content> {
    match (users, body) {
        (_, Some(body)) => stored::decode_changes(body).ok().map(Content::Changes),
        (Some(users), None) => Some(Content::Users(users.iter().filter_map(|user| UserId::new(user)).collect())),
        (None, None) => None,
    }
}

/// The number of rows that are leased to an earlier owner of a job.
pub(crate) async fn left_by_earlier_owners(pool: &Pool, job: Uuid) -> Result<i64, StoreError> {
    let left = pool.query_scalar(
        "select count(*) from segmenter.outbox
         where owner = any((select earlier_owners from segmenter.jobs where id = $1)::uuid[])",
    );
    pool.fetch_one(left.bind(job)).await
}

/// Extends the lease of rows that are still this owner's.
pub async fn renew(pool: &Pool, owner: Uuid, lease: Duration, ids: &[i64]) -> Result<(), StoreError> {
    let renewed = pool
        .query("update segmenter.outbox set leased_until = clock_timestamp() + $2 where owner = $1 and id = any($3)");
    pool.execute(renewed.bind(owner).bind(interval(lease)).bind(ids)).await?;
    Ok(())
}

/// Deletes published rows that are still this owner's. The commit does not wait for the disk: a row that a crash of the
/// database brings back is published again.
pub async fn delete(pool: &Pool, owner: Uuid, rows: &[RowKey]) -> Result<(), StoreError> {
    let (ids, created): (Vec<i64>, Vec<OffsetDateTime>) = rows.iter().map(|row| (row.id, row.created_at)).unzip();
    let deleted = pool.query(
        "delete from segmenter.outbox o using unnest($2::bigint[], $3::timestamptz[]) as p(id, created_at)
         where o.owner = $1 and o.id = p.id and o.created_at = p.created_at
           and (select set_config('synchronous_commit', 'off', true)) is not null",
    );
    pool.execute(deleted.bind(owner).bind(ids).bind(created)).await?;
    Ok(())
}

/// The users of `users` with a higher published revision than the one at the same index of `revisions`.
pub async fn users_with_newer_revisions(
    pool: &Pool,
    users: &[&str],
    revisions: &[i64],
) -> Result<HashSet<String>, StoreError> {
    let statement = pool.query_by_keys(
        "select k.user_id from unnest($1::text[], $2::bigint[]) as k(user_id, revision)
         where k.revision < coalesce(
             (select s.revision from segmenter.profile_states s where s.user_id = k.user_id),
             (select d.revision from segmenter.deleted_users d where d.user_id = k.user_id))",
        users.len(),
    );
    let statement = statement.bind(users).bind(revisions);
    let rows = pool.fetch_all(statement).await?;
    Ok(rows.iter().map(|row| row.try_get("user_id")).collect::<Result<_, _>>()?)
}

/// The last published change of each of `users` that has one.
pub async fn last_published(pool: &Pool, users: &[&UserId]) -> Result<Vec<RankingChange>, StoreError> {
    let names: Vec<&str> = users.iter().map(|user| user.as_str()).collect();
    let read = async |connection: &mut PgConnection| states::read(connection, &names, UserCheck::None, pool).await;
    let snapshot = pool.read(read).await?;
    let mut published = Vec::with_capacity(users.len());
    for (user, current) in users.iter().zip(snapshot.users) {
        let state = current?.state;
        if let Some(body) = state.last_published {
            published.push(RankingChange { user: (*user).clone(), revision: state.revision, body });
        }
    }
    Ok(published)
}

/// How many outbox rows are read at a time; a row may hold a whole batch.
const PAGE: i64 = 200;

/// A summary of the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    pub rows: u64,
    /// The ids of rows in a format that this version does not know.
    pub unreadable: Vec<i64>,
}

/// Calls `see` with each user of each outbox row, a page at a time, without a lock or a long transaction.
pub(crate) async fn each_waiting_user(pool: &Pool, mut see: impl FnMut(&str)) -> Result<Waiting, StoreError> {
    let mut waiting = Waiting::default();
    let mut after = i64::MIN;
    loop {
        let page = pool.query("select id, users, body from segmenter.outbox where id > $1 order by id limit $2");
        let page = page.bind(after).bind(PAGE);
        let rows = pool.fetch_all(page).await?;
        for row in &rows {
            after = row.try_get("id")?;
            waiting.rows += 1;
            match content(row.try_get("users")?, row.try_get("body")?) {
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

/// The number of rows, and the age of the oldest.
pub async fn depth(pool: &Pool) -> Result<Depth, StoreError> {
    let depth = pool.query(
        r#"
        select count(*) as rows,
               coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as oldest
        from segmenter.outbox"#,
    );
    let row = pool.fetch_one(depth).await?;
    let oldest: f64 = row.try_get("oldest")?;
    Ok(Depth { rows: row.try_get("rows")?, oldest: Duration::try_from_secs_f64(oldest.max(0.0)).unwrap_or_default() })
}

fn millis(time: OffsetDateTime) -> Millis {
    Millis(i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default())
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
