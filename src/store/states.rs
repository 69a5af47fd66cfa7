//! Reading and comparing-and-setting the states of users in `segmenter.profile_states`.

use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use super::error::StoreError;
use crate::event::{Millis, UserId};
use crate::pipeline::change::Saying;
use crate::pipeline::codec::{self, CodecError};
use crate::pipeline::state::State;
use crate::profile::Profile;
use crate::store::sql;

/// What is known of a user before a fold.
#[derive(Debug, Clone)]
pub struct Current {
    /// Whether the platform knows the user; true where there is no `users` table.
    pub known: bool,
    /// The compare-and-set counter; 0 where the user has no state yet.
    pub counter: i64,
    pub state: State,
}

/// The states of some users, in the order asked for, and the database's clock.
#[derive(Debug)]
pub struct Snapshot {
    pub users: Vec<Result<Current, CodecError>>,
    /// Unix time, ms.
    pub clock_ms: i64,
}

/// States of users, and of those without one what they left behind when they departed. The clock is read once, since
/// taking an epoch out of a time is slow.
macro_rules! states_of {
    ($known:literal, $users:literal) => {
        concat!(
            "select ",
            $known,
            r#" as known,
       s.counter,
       case when s.user_id is null
            then (select d.revision from segmenter.departed d where d.user_id = k.user_id)
            else s.revision end as revision,
       s.said,
       case when s.user_id is null
            then (select d.erased_at from segmenter.departed d where d.user_id = k.user_id)
            else s.erased_at end as erased_at,
       s.catalog_version, s.job_id, s.state,
       (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as clock_ms
from unnest($1::text[]) with ordinality as k(user_id, place)
"#,
            $users,
            r#"
left join segmenter.profile_states s on s.user_id = k.user_id
order by k.place"#
        )
    };
}

const READ_KNOWN_USERS: &str = states_of!("u.id is not null", "left join public.users u on u.id = k.user_id");

/// Where the database has no `users` table whoever sends an event is a user.
const READ_ANY_USERS: &str = states_of!("true", "");

/// Reads the states of `users`. Nothing is locked: [`compare_and_set`] finds out what has changed since.
pub async fn read(connection: &mut PgConnection, users: &[&str], has_users: bool) -> Result<Snapshot, sqlx::Error> {
    let statement = if has_users { READ_KNOWN_USERS } else { READ_ANY_USERS };
    let rows = sql::query(statement).bind(users).fetch_all(connection).await?;
    let mut snapshot = Snapshot { users: Vec::with_capacity(rows.len()), clock_ms: 0 };
    for row in &rows {
        snapshot.clock_ms = snapshot.clock_ms.max(row.try_get("clock_ms")?);
        let row = StateRow::from_row(row)?;
        snapshot.users.push(row.into_current());
    }
    Ok(snapshot)
}

/// The columns of a state as they lie in the table, each absent where the user has none.
pub struct StateRow<'r> {
    known: bool,
    counter: Option<i64>,
    revision: Option<i64>,
    said: Option<i16>,
    erased_at: Option<i64>,
    catalog_version: Option<i32>,
    job_id: Option<Uuid>,
    state: Option<&'r [u8]>,
}

impl<'r> FromRow<'r, PgRow> for StateRow<'r> {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            known: row.try_get("known")?,
            counter: row.try_get("counter")?,
            revision: row.try_get("revision")?,
            said: row.try_get("said")?,
            erased_at: row.try_get("erased_at")?,
            catalog_version: row.try_get("catalog_version")?,
            job_id: row.try_get("job_id")?,
            state: row.try_get("state")?,
        })
    }
}

impl StateRow<'_> {
    /// The state in memory. A user who departed was said as a null record, if ever.
    pub fn into_current(self) -> Result<Current, CodecError> {
        let revision = self.revision.unwrap_or(0);
        let erased_at = self.erased_at.map(Millis);
        let Some(bytes) = self.state else {
            let said = (revision > 0).then_some(Saying::Null);
            let profile = Profile::from_parts([], None, erased_at);
            let state = State { profile, said, revision, ..State::default() };
            return Ok(Current { known: self.known, counter: 0, state });
        };
        let stored = codec::decode_state(bytes)?;
        let said = match self.said {
            Some(SAID_RANKING) => {
                Some(Saying::Ranking(stored.announcement.ok_or(CodecError::Damaged { what: "state" })?))
            }
            Some(SAID_NULL) => Some(Saying::Null),
            _ => None,
        };
        let state = State {
            profile: Profile::from_parts(stored.registers, stored.onboarded, erased_at),
            said,
            revision,
            catalog_version: self.catalog_version.and_then(|version| u32::try_from(version).ok()).unwrap_or(0),
            job: self.job_id,
        };
        Ok(Current { known: self.known, counter: self.counter.unwrap_or(0), state })
    }
}

const SAID_NOTHING: i16 = 0;
const SAID_RANKING: i16 = 1;
const SAID_NULL: i16 = 2;

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

/// Writes the states whose counters still stand as read; gives the users of those that were written, in the order given.
/// Until the end of the transaction the platform cannot delete them; if it has deleted one of those given since they were
/// read, none is written.
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

const ERASE_DEPARTED: &str = r#"
insert into segmenter.departed as held (user_id, erased_at)
select * from unnest($1::text[], $2::bigint[])
on conflict (user_id) do update set erased_at = greatest(held.erased_at, excluded.erased_at)"#;

/// Remembers the erasure of users who are not (any more) on the platform, so that older events cannot bring them back.
pub async fn erase_departed(connection: &mut PgConnection, erasures: &[(&UserId, Millis)]) -> Result<(), sqlx::Error> {
    let users: Vec<&str> = erasures.iter().map(|(user, _)| user.as_str()).collect();
    let times: Vec<i64> = erasures.iter().map(|(_, time)| time.0).collect();
    sql::query(ERASE_DEPARTED).bind(users).bind(times).execute(connection).await?;
    Ok(())
}

/// A page of states, and who of them holds a job.
#[derive(Debug, Default)]
pub struct Holders {
    pub holders: Vec<String>,
    /// The last user of the page; `None` after the last page.
    pub last: Option<String>,
}

/// The users after `after`, at most `limit`, whose last quiet write was `job`'s and has not been said.
///
/// # Errors
/// The database does not answer.
pub async fn holders(pool: &PgPool, after: &str, job: Uuid, limit: usize) -> Result<Holders, sqlx::Error> {
    // A page of keys, not of holders: where these are few, the statement stays short.
    let rows: Vec<(String, bool)> = sql::query_as(
        "select user_id, job_id is not distinct from $2 from segmenter.profile_states
          where user_id > $1 order by user_id limit $3",
    )
    .bind(after)
    .bind(job)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(sql::unit(pool).await?.connection())
    .await?;
    let last = rows.last().map(|(user, _)| user.clone());
    Ok(Holders { holders: rows.into_iter().filter_map(|(user, holds)| holds.then_some(user)).collect(), last })
}
