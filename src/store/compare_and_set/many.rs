//! Many states in one statement that looks for each where it lay when it was read, instead of looking its key up.

use sqlx::postgres::Postgres;
use sqlx::{Row, Transaction};

use super::columns::Columns;
use super::{OutboxId, StateWrite, Written, locked};
use crate::store::error::StoreError;
use crate::store::sql;

/// A state that was written since it was read, or has gone, is not where it lay, and whatever lies there by now has another
/// user or counter: then nothing is written for that user, and nothing is inserted where a state had been read. Known
/// states are updated in bytewise order of their users, and after them first ones inserted in theirs. Two folds of which
/// one knows a state that the other takes for a first one may therefore wait for each other; as with a delete, the limit
/// on waiting for a lock has them begin again.
///
/// Comparing users with `is not distinct from`, which neither an index nor a sort serves, leaves the planner two ways to a
/// state: by its place, or through the whole table. The second one is shut by the settings that the transaction begins
/// with. So the plan is the same whatever was known of the table when it was made, and may be kept.
macro_rules! compare_and_set {
    ($first:literal, $and_if:literal, $only_if:literal) => {
        concat!(
            "with ",
            $first,
            r#"
changed as (
    update segmenter.profile_states as held set
        counter = k.counter, revision = k.revision, said = k.said, erased_at = k.erased_at,
        catalog_version = k.catalog_version, job_id = k.job_id, state = k.state
    from (select unnest($1::text[]) as user_id, unnest($2::bigint[]) as revision, unnest($3::smallint[]) as said,
                 unnest($4::bigint[]) as erased_at, unnest($5::int[]) as catalog_version, unnest($6::uuid[]) as job_id,
                 unnest($7::bytea[]) as state, unnest($8::bigint[]) as counter, unnest($9::text[]::tid[]) as place) k
    where held.ctid = k.place and held.user_id is not distinct from k.user_id and held.counter = k.counter - 1
    "#,
            $and_if,
            r#"
    returning 1),
created as (
    insert into segmenter.profile_states (user_id, revision, said, erased_at, catalog_version, job_id, state, counter)
    select unnest($10::text[]), unnest($11::bigint[]), unnest($12::smallint[]), unnest($13::bigint[]),
           unnest($14::int[]), unnest($15::uuid[]), unnest($16::bytea[]), 1
    "#,
            $only_if,
            r#"
    on conflict (user_id) do nothing
    returning 1)
select written, case when written > 0 and $17 then nextval('segmenter.outbox_id_seq') end as drawn
from (select (select count(*) from changed) + (select count(*) from created) as written offset 0) as w"#
        )
    };
}

/// As with few states, users for whom something may be inserted are locked first and counted.
pub const SET_OF_KNOWN_USERS: &str = compare_and_set!(
    r#"
kept as materialized (
    select from public.users where id = any($18) order by id collate "C" for key share),"#,
    "and (select count(*) from kept) = cardinality($18)",
    "where (select count(*) from kept) = cardinality($18)"
);

/// Where the database has no `users` table nobody can go.
pub const SET_OF_ANY_USERS: &str = compare_and_set!("", "", "");

/// What a counter and a place take, with the length of each.
const OVER_BYTES: usize = 32;

/// Writes the states.
pub(super) async fn write(
    transaction: &mut Transaction<'_, Postgres>,
    writes: &[StateWrite<'_>],
    has_users: bool,
    outbox_id: OutboxId,
) -> Result<Written, StoreError> {
    let mut known = Columns::with_capacity(writes.len());
    let mut counters: Vec<i64> = Vec::with_capacity(writes.len());
    let mut places: Vec<&str> = Vec::with_capacity(writes.len());
    let mut first = Columns::default();
    for write in writes {
        match write.over {
            Some(version) => {
                known.push(write);
                counters.push(version.counter.saturating_add(1));
                places.push(&version.place);
            }
            None => first.push(write),
        }
    }
    let bytes = known.bytes() + first.bytes() + OVER_BYTES * writes.len();
    let statement = sql::query_of(if has_users { SET_OF_KNOWN_USERS } else { SET_OF_ANY_USERS }, bytes);
    let statement = known.bind(statement).bind(counters).bind(places);
    let statement = first.bind(statement).bind(outbox_id == OutboxId::Drawn);
    let statement = if has_users { statement.bind(locked(writes)) } else { statement };
    let row = statement.fetch_one(&mut **transaction).await?;
    Ok(Written { states: row.try_get("written")?, outbox_id: row.try_get("drawn")? })
}
