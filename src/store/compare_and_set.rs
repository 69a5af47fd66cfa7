//! Writes states to `segmenter.profile_states`, each only over the version that was read.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::error::StoreError;
use super::sql::Sessions;
use super::states::StateRow;
use crate::codec::stored;
use crate::domain::event::UserId;
use crate::domain::state::State;
use crate::runtime::fault::panic_point;

/// A state to write: over the version that was read, or as the user's first.
#[derive(Debug)]
pub struct StateWrite<'a> {
    pub user: &'a UserId,
    /// The counter that was read; `None` where there was no state.
    pub over: Option<i64>,
    /// Whether the user may have no row yet: an insert needs the user to stay in `users`.
    pub may_insert: bool,
    pub state: &'a State,
}

/// Rows are given in bytewise order of their keys, the order in which they are locked. Only a first state may be inserted, so
/// every other state is given the negated counter that was read. An existing row is updated only if its counter equals that
/// one. A negative counter in the result is a row that was inserted although a state had been read.
///
/// The statement reads no table, so a cached plan that was made on an empty table is as good as a new plan.
const SET: &str = "
insert into segmenter.profile_states as held
    (user_id, counter, revision, published, erased_at, catalog_version, job_id, state)
select unnest($1::text[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::smallint[]), unnest($5::bigint[]),
       unnest($6::int[]), unnest($7::uuid[]), unnest($8::bytea[])
on conflict (user_id) do update set
    counter = held.counter + 1, revision = excluded.revision, published = excluded.published, erased_at = excluded.erased_at,
    catalog_version = excluded.catalog_version, job_id = excluded.job_id, state = excluded.state
where held.counter = -excluded.counter
returning user_id, counter < 0 as returned";

/// The foreign keys would lock these users later, when a delete on the platform may already wait for this transaction.
const LOCK_USERS: &str = r#"select id from public.users where id = any($1) order by id collate "C" for key share"#;

/// Writes each state if its stored version is still the one that was read; returns the users whose state was written. `writes`
/// is in bytewise order of the users. Of the users for which a row may be inserted, those deleted on the platform are left out.
///
/// # Errors
/// [`StoreError::UserReturned`] where a user was deleted and created again since the read: no data of the earlier life may
/// stay, so the transaction has to be rolled back. A database error, or a state that cannot be encoded.
pub async fn compare_and_set(
    connection: &mut PgConnection,
    writes: &[StateWrite<'_>],
    has_users: bool,
    sessions: &Sessions,
) -> Result<HashSet<String>, StoreError> {
    let mut locked: HashSet<String> = HashSet::new();
    let inserted: Vec<&str> = writes.iter().filter(|write| write.may_insert).map(|write| write.user.as_str()).collect();
    if has_users && !inserted.is_empty() {
        for row in sessions.query_by_keys(LOCK_USERS, inserted.len()).bind(inserted).fetch_all(&mut *connection).await?
        {
            locked.insert(row.try_get("id")?);
        }
    }
    let stays = |write: &&StateWrite<'_>| !has_users || !write.may_insert || locked.contains(write.user.as_str());
    let writes: Vec<&StateWrite<'_>> = writes.iter().filter(stays).collect();
    if writes.is_empty() {
        return Ok(HashSet::new());
    }
    panic_point("panic-in-encode", |user| writes.iter().any(|write| write.user.as_str() == user));
    let encode =
        |write: &&StateWrite<'_>| stored::encode_state(&write.state.profile, write.state.last_published.as_ref());
    let encoded = writes.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    let states: Vec<StateRow<'_>> =
        writes.iter().zip(&encoded).map(|(write, bytes)| StateRow::of(write.state, bytes)).collect();
    let rows = sessions
        .query(SET)
        .bind(writes.iter().map(|write| write.user.as_str()).collect::<Vec<_>>())
        .bind(writes.iter().map(|write| write.over.map_or_else(first_counter, i64::wrapping_neg)).collect::<Vec<_>>())
        .bind(states.iter().map(|state| state.revision).collect::<Vec<_>>())
        .bind(states.iter().map(|state| state.published).collect::<Vec<_>>())
        .bind(states.iter().map(|state| state.erased_at).collect::<Vec<_>>())
        .bind(states.iter().map(|state| state.catalog_version).collect::<Vec<_>>())
        .bind(states.iter().map(|state| state.job_id).collect::<Vec<_>>())
        .bind(states.iter().map(|state| state.state).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut written = HashSet::with_capacity(rows.len());
    for row in rows {
        if row.try_get("returned")? {
            return Err(StoreError::UserReturned);
        }
        written.insert(row.try_get("user_id")?);
    }
    Ok(written)
}

/// Positive and random, so that no counter of one life of a user repeats in the next.
fn first_counter() -> i64 {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    i64::try_from(random >> 2).unwrap_or(i64::MAX >> 1).max(1)
}
