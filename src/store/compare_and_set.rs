//! Writing the states of users into `segmenter.profile_states`, each only over the one that was read.

use sqlx::postgres::PgConnection;
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
    pub state: &'a State,
}

/// Rows come in bytewise order of their keys, which is the order in which they are locked. A user who was deleted and
/// created again since the state was read gets none of it: only a first state may be inserted.
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
where (k.counter = 1
    or exists (select from segmenter.profile_states s where s.user_id = k.user_id and s.counter = k.counter - 1))
"#,
            $only_if,
            r#"
on conflict (user_id) do update set
    counter = excluded.counter, revision = excluded.revision, said = excluded.said, erased_at = excluded.erased_at,
    catalog_version = excluded.catalog_version, job_id = excluded.job_id, state = excluded.state
where held.counter = excluded.counter - 1
returning user_id"#
        )
    };
}

/// All users are locked before the first state is, in bytewise order, so that neither we nor the platform's deletes end up
/// in a deadlock. Counting them is what has them all locked first.
const SET_OF_KNOWN_USERS: &str = compare_and_set!(
    r#"
with kept as materialized (
    select from public.users where id = any($1) order by id collate "C" for key share)"#,
    "and (select count(*) from kept) = cardinality($1)"
);

/// Where the database has no `users` table nobody can go.
const SET_OF_ANY_USERS: &str = compare_and_set!("", "");

/// Writes the states whose counters still stand as read; gives the users of those that were written. Until the end of the
/// transaction the platform cannot delete them; if it has deleted one of those given since they were read, none is written.
pub async fn compare_and_set(
    connection: &mut PgConnection,
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
        counters.push(write.counter.saturating_add(1));
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
    let winners = sql::query_scalar(if has_users { SET_OF_KNOWN_USERS } else { SET_OF_ANY_USERS })
        .bind(users)
        .bind(counters)
        .bind(revisions)
        .bind(said)
        .bind(erased)
        .bind(catalogs)
        .bind(jobs)
        .bind(states)
        .fetch_all(connection)
        .await?;
    Ok(winners)
}
