//! Writing the states of users into `segmenter.profile_states`, each only over the version that was read.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::error::StoreError;
use super::states::{SAID_NOTHING, SAID_NULL, SAID_RANKING, Version};
use crate::event::UserId;
use crate::pipeline::change::Saying;
use crate::pipeline::codec;
use crate::pipeline::state::State;
use crate::store::sql;

/// A state to write over the version that was read, or as the user's first.
#[derive(Debug)]
pub struct StateWrite<'a> {
    pub user: &'a UserId,
    pub version: &'a Version,
    pub state: &'a State,
}

/// What is to be written, in bytewise order of the users, which is the order in which rows are locked but in a table so
/// small that the planner reads it whole.
macro_rules! given {
    () => {
        r#"
    from unnest($1::text[], $2::text[]::tid[], $3::bigint[], $4::bigint[], $5::smallint[], $6::bigint[], $7::int[],
                $8::uuid[], $9::bytea[])
        as k(user_id, lay, counter, revision, said, erased_at, catalog_version, job_id, state)"#
    };
}

/// A state is found where it lay when it was read, and is the same if its counter is: one that was written since lies
/// elsewhere. Only a first state is inserted, so that a user who was deleted and created again since gets none of the
/// earlier life.
macro_rules! compare_and_set {
    ($kept:literal, $only_if:literal) => {
        concat!(
            "with ",
            $kept,
            r#"
changed as (
    update segmenter.profile_states as held set
        counter = k.counter, revision = k.revision, said = k.said, erased_at = k.erased_at,
        catalog_version = k.catalog_version, job_id = k.job_id, state = k.state"#,
            given!(),
            r#"
    where held.ctid = k.lay and held.user_id = k.user_id and held.counter = k.counter - 1 "#,
            $only_if,
            r#"
    returning held.user_id),
created as (
    insert into segmenter.profile_states (user_id, counter, revision, said, erased_at, catalog_version, job_id, state)
    select k.user_id, k.counter, k.revision, k.said, k.erased_at, k.catalog_version, k.job_id, k.state"#,
            given!(),
            r#"
    where k.lay is null and k.counter = 1 "#,
            $only_if,
            r#"
    on conflict (user_id) do nothing
    returning user_id)
select user_id from changed union all select user_id from created"#
        )
    };
}

/// All users are locked before the first state is, in bytewise order, so that neither we nor the platform's deletes end up
/// in a deadlock. Who has gone since being read is not found, and left out.
const SET_OF_KNOWN_USERS: &str = compare_and_set!(
    r#"
kept as materialized (
    select id from public.users where id = any($1) order by id collate "C" for key share),"#,
    "and k.user_id = any(array(select id from kept))"
);

/// Where the database has no `users` table nobody can go.
const SET_OF_ANY_USERS: &str = compare_and_set!("", "");

/// Writes the states whose versions still stand as read, of users who are still there; gives the users of those that were
/// written. Until the end of the transaction the platform cannot delete them.
pub async fn compare_and_set(
    connection: &mut PgConnection,
    writes: &[StateWrite<'_>],
    has_users: bool,
) -> Result<Vec<String>, StoreError> {
    let count = writes.len();
    let mut users: Vec<&str> = Vec::with_capacity(count);
    let mut places: Vec<Option<&str>> = Vec::with_capacity(count);
    let mut counters: Vec<i64> = Vec::with_capacity(count);
    let mut revisions: Vec<i64> = Vec::with_capacity(count);
    let mut said: Vec<i16> = Vec::with_capacity(count);
    let mut erased: Vec<Option<i64>> = Vec::with_capacity(count);
    let mut catalogs: Vec<i32> = Vec::with_capacity(count);
    let mut jobs: Vec<Option<Uuid>> = Vec::with_capacity(count);
    let mut states: Vec<Vec<u8>> = Vec::with_capacity(count);
    for write in writes {
        users.push(write.user.as_str());
        places.push(write.version.place.as_deref());
        counters.push(write.version.counter.saturating_add(1));
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
        .bind(places)
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
