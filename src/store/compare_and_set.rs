//! Writing the states of users into `segmenter.profile_states`, each only over the one that was read.

use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Row, Transaction};
use uuid::Uuid;

use super::error::StoreError;
use super::states::{SAID_NOTHING, SAID_NULL, SAID_RANKING};
use crate::event::UserId;
use crate::pipeline::change::Saying;
use crate::pipeline::codec;
use crate::pipeline::state::State;
use crate::store::sql;

/// A state to write: over the row whose counter is `counter`, or as a new row where that is 0.
#[derive(Debug)]
pub struct StateWrite<'a> {
    pub user: &'a UserId,
    pub counter: i64,
    /// Whether the user may have no row yet: inserting one needs the user to stay in `users`.
    pub may_insert: bool,
    pub state: &'a State,
}

/// Rows come in bytewise order of their keys, which is the order in which they are locked. Only a first state may be
/// inserted, so the counter of any other comes negative, as [`counter_to_insert`] has it: a row that is there gets it
/// positive, and a negative one among those returned was inserted where the state that was read had gone. Looking for
/// the row before inserting would cost a second descent of the index for each.
macro_rules! compare_and_set {
    ($first:literal, $only_if:literal) => {
        concat!(
            $first,
            r#"
insert into segmenter.profile_states as held
    (user_id, counter, revision, said, erased_at, catalog_version, job_id, state)
select k.*
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::int[], $7::uuid[], $8::bytea[])
    as k(user_id, counter, revision, said, erased_at, catalog_version, job_id, state)
"#,
            $only_if,
            r#"
on conflict (user_id) do update set
    counter = -excluded.counter, revision = excluded.revision, said = excluded.said, erased_at = excluded.erased_at,
    catalog_version = excluded.catalog_version, job_id = excluded.job_id, state = excluded.state
where held.counter = -excluded.counter - 1
returning user_id, counter < 0 as returned"#
        )
    };
}

/// Users for whom something may be inserted are locked before the first state is, in bytewise order: the foreign keys
/// would lock them later, when a delete may wait for us already. Counting them is what has them all locked first.
const SET_OF_KNOWN_USERS: &str = compare_and_set!(
    r#"
with kept as materialized (
    select from public.users where id = any($9) order by id collate "C" for key share)"#,
    "where (select count(*) from kept) = cardinality($9)"
);

/// Where the database has no `users` table nobody can go.
const SET_OF_ANY_USERS: &str = compare_and_set!("", "");

/// Writes the states whose counters still stand as read; gives the users of those that were written. If the platform has
/// deleted one for whom something may be inserted, none is written.
///
/// # Errors
/// [`StoreError::UserReturned`] where a user was deleted and created again since the state was read: nothing of the
/// earlier life may stay, so the transaction has to be rolled back.
pub async fn compare_and_set(
    transaction: &mut Transaction<'_, Postgres>,
    writes: &[StateWrite<'_>],
    has_users: bool,
) -> Result<Vec<String>, StoreError> {
    let count = writes.len();
    let mut users: Vec<&str> = Vec::with_capacity(count);
    let mut counters: Vec<i64> = Vec::with_capacity(count);
    let mut revisions: Vec<i64> = Vec::with_capacity(count);
    let mut said: Vec<i16> = Vec::with_capacity(count);
    let mut erased: Vec<Option<i64>> = Vec::with_capacity(count);
    let mut catalogs: Vec<i32> = Vec::with_capacity(count);
    let mut jobs: Vec<Option<Uuid>> = Vec::with_capacity(count);
    let mut states: Vec<Vec<u8>> = Vec::with_capacity(count);
    for write in writes {
        users.push(write.user.as_str());
        counters.push(counter_to_insert(write.counter));
        revisions.push(write.state.revision);
        said.push(match write.state.said {
            None => SAID_NOTHING,
            Some(Saying::Ranking(_)) => SAID_RANKING,
            Some(Saying::Null) => SAID_NULL,
        });
        erased.push(write.state.profile.erased_at().map(|time| time.0));
        catalogs.push(i32::try_from(write.state.catalog_version).unwrap_or(i32::MAX));
        jobs.push(write.state.job);
        states.push(codec::encode_state(&write.state.profile, write.state.said.as_ref()));
    }
    let locked: Vec<&str> = writes.iter().filter(|write| write.may_insert).map(|write| write.user.as_str()).collect();
    let statement = sql::query(if has_users { SET_OF_KNOWN_USERS } else { SET_OF_ANY_USERS })
        .bind(users)
        .bind(counters)
        .bind(revisions)
        .bind(said)
        .bind(erased)
        .bind(catalogs)
        .bind(jobs)
        .bind(states);
    let statement = if has_users { statement.bind(locked) } else { statement };
    let winners = statement.fetch_all(&mut **transaction).await?;
    winners.iter().map(winner).collect()
}

/// What the state after one that was read is inserted with: a first one 1, any other its counter made negative.
fn counter_to_insert(read: i64) -> i64 {
    match read {
        0 => 1,
        _ => read.saturating_add(1).saturating_neg(),
    }
}

fn winner(row: &PgRow) -> Result<String, StoreError> {
    if row.try_get("returned")? {
        return Err(StoreError::UserReturned);
    }
    Ok(row.try_get("user_id")?)
}
