//! Few states in one `insert … on conflict`, which looks up each key whatever the planner thinks of the table.

use sqlx::postgres::Postgres;
use sqlx::{Row, Transaction};

use super::columns::Columns;
use super::{OutboxId, StateWrite, Written, locked};
use crate::store::error::StoreError;
use crate::store::sql;
use crate::store::states::Version;

/// Rows come in bytewise order of their keys, which is the order in which they are locked. Only a first state may be
/// inserted, so the counter of any other comes negative, as [`counter_to_insert`] has it: a row that is there gets it
/// positive, and a negative one that was written was inserted where the state that was read had gone. Looking for the row
/// before inserting would cost a second descent of the index for each.
macro_rules! compare_and_set {
    ($first:literal, $only_if:literal) => {
        concat!(
            "with ",
            $first,
            r#"
written as (
    insert into segmenter.profile_states as held
        (user_id, revision, said, erased_at, catalog_version, job_id, state, counter)
    select unnest($1::text[]), unnest($2::bigint[]), unnest($3::smallint[]), unnest($4::bigint[]), unnest($5::int[]),
           unnest($6::uuid[]), unnest($7::bytea[]), unnest($8::bigint[])
    "#,
            $only_if,
            r#"
    on conflict (user_id) do update set
        counter = -excluded.counter, revision = excluded.revision, said = excluded.said, erased_at = excluded.erased_at,
        catalog_version = excluded.catalog_version, job_id = excluded.job_id, state = excluded.state
    where held.counter = -excluded.counter - 1
    returning counter)
select written, returned, case when written > 0 and $9 then nextval('segmenter.outbox_id_seq') end as drawn
from (select count(*) as written, coalesce(bool_or(counter < 0), false) as returned from written offset 0) as w"#
        )
    };
}

/// Users for whom something may be inserted are locked before the first state is, in bytewise order: the foreign keys
/// would lock them later, when a delete may wait for us already. Counting them is what has them all locked first.
const SET_OF_KNOWN_USERS: &str = compare_and_set!(
    r#"
kept as materialized (
    select from public.users where id = any($10) order by id collate "C" for key share),"#,
    "where (select count(*) from kept) = cardinality($10)"
);

/// Where the database has no `users` table nobody can go.
const SET_OF_ANY_USERS: &str = compare_and_set!("", "");

/// Writes the states.
pub(super) async fn write(
    transaction: &mut Transaction<'_, Postgres>,
    writes: &[StateWrite<'_>],
    has_users: bool,
    outbox_id: OutboxId,
) -> Result<Written, StoreError> {
    let mut columns = Columns::with_capacity(writes.len());
    writes.iter().for_each(|write| columns.push(write));
    let counters: Vec<i64> = writes.iter().map(|write| counter_to_insert(write.over)).collect();
    let statement = sql::query(if has_users { SET_OF_KNOWN_USERS } else { SET_OF_ANY_USERS });
    let statement = columns.bind(statement).bind(counters).bind(outbox_id == OutboxId::Drawn);
    let statement = if has_users { statement.bind(locked(writes)) } else { statement };
    let row = statement.fetch_one(&mut **transaction).await?;
    if row.try_get("returned")? {
        return Err(StoreError::UserReturned);
    }
    Ok(Written { states: row.try_get("written")?, outbox_id: row.try_get("drawn")? })
}

/// What the state after the one that was read is inserted with: a first one 1, any other its counter made negative.
fn counter_to_insert(read: Option<&Version>) -> i64 {
    read.map_or(1, |version| version.counter.saturating_add(1).saturating_neg())
}
