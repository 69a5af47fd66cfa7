//! Jobs in PostgreSQL: specification, owner and lease, checkpoints.
//!
//! A job has one owner at a time, by a lease. A batch writes the checkpoint in its own transaction, with the job's row locked
//! against a new owner, and only as the owner: a process that lost its lease cannot write any more, behind a pooler too.
//!
//! ```text
//! mod         create, claim, renew, release, requests, failures
//! checkpoint  writing positions and phases, each over the one that the owner knows
//! record      stored jobs and parts, for their owner and for commands
//! counts      items by outcome
//! retention   deleting jobs that ended long ago
//! ```

mod checkpoint;
mod counts;
mod record;
mod retention;

use std::collections::HashMap;
use std::time::Duration;

use crate::store::sql::{Pool, Sessions, Statement};
use serde_json::json;
use sqlx::postgres::{PgConnection, types::PgInterval};
use uuid::Uuid;

pub use checkpoint::{Checkpoint, checkpoint};
pub(crate) use checkpoint::{PhaseChange, enter_phase};
pub use counts::Counts;
pub(crate) use record::{JobRecord, Part, Phase, Requested};
pub use record::{find, list, open_and_newest_ended, parts, parts_of};
pub use retention::delete_ended;

use super::audit::{Act, Entry, Operator};
use super::error::StoreError;
use crate::domain::event::UserId;

/// A job to create.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub id: Uuid,
    /// `replay`, `backfill`, `recompute`, `republish` or `redrive`.
    pub kind: &'static str,
    pub spec: serde_json::Value,
    pub throttle: serde_json::Value,
    /// In the order in which they are processed.
    pub parts: Vec<Part>,
    /// The users of the job, where it was given a list.
    pub users: Vec<UserId>,
    /// The start of the job, for the audit.
    pub entry: Entry,
}

/// How many users one statement inserts.
const USERS_AT_ONCE: usize = 10_000;

/// The deadline for the insert of a job whose list may have millions of users.
const LONGEST_CREATION: Duration = Duration::from_secs(10 * 60);

/// Creates a job without an owner.
///
/// # Errors
/// The database is unavailable, or the id is taken.
pub async fn create(pool: &Pool, job: &NewJob) -> Result<(), StoreError> {
    pool.transaction_within(LONGEST_CREATION, async |transaction| insert(transaction, job, pool).await).await
}

async fn insert(transaction: &mut PgConnection, job: &NewJob, sessions: &Sessions) -> Result<(), sqlx::Error> {
    job.entry.write(transaction).await?;
    sessions
        .query("insert into segmenter.jobs (id, kind, spec, throttle) values ($1, $2, $3, $4)")
        .bind(job.id)
        .bind(job.kind)
        .bind(&job.spec)
        .bind(&job.throttle)
        .execute(&mut *transaction)
        .await?;
    for (place, part) in (0_i32..).zip(&job.parts) {
        sessions
            .query("insert into segmenter.job_parts (job_id, part, place, position, until) values ($1, $2, $3, $4, $5)")
            .bind(job.id)
            .bind(&part.name)
            .bind(place)
            .bind(&part.position)
            .bind(&part.until)
            .execute(&mut *transaction)
            .await?;
    }
    for users in job.users.chunks(USERS_AT_ONCE) {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        sessions
            .query("insert into segmenter.job_users select $1, unnest($2::text[]) on conflict do nothing")
            .bind(job.id)
            .bind(users)
            .execute(&mut *transaction)
            .await?;
    }
    Ok(())
}

/// Claims a job without a valid lease, or any job if `even_leased`. False if another process holds the lease, or the job has
/// ended or does not exist.
pub(crate) async fn claim(
    pool: &Pool,
    id: Uuid,
    owner: Uuid,
    owner_name: &str,
    lease: Duration,
    even_leased: bool,
) -> Result<bool, StoreError> {
    let claimed = pool
        .query(
            r#"
        update segmenter.jobs set owner = $2, owner_name = $3, leased_until = clock_timestamp() + $4,
            earlier_owners = array_remove(array_remove(earlier_owners || owner, null), $2)
        where id = $1 and ended_at is null and ($5 or leased_until < clock_timestamp() or owner = $2)"#,
        )
        .bind(id)
        .bind(owner)
        .bind(owner_name)
        .bind(interval(lease))
        .bind(even_leased);
    Ok(pool.execute(claimed).await? > 0)
}

/// How many failures of a job are kept; all are counted.
const KEPT_FAILURES: i64 = 10_000;

/// Stores users whose data broke a rule, with the rule; of a user with several the last.
pub(crate) async fn note_failures(pool: &Pool, id: Uuid, failures: &[(&str, &str)]) -> Result<(), StoreError> {
    // One statement may not write a row twice.
    let last: HashMap<&str, &str> = failures.iter().copied().collect();
    let (users, rules): (Vec<&str>, Vec<&str>) = last.into_iter().unzip();
    let written = pool
        .query(
            r#"
        insert into segmenter.job_failures (job_id, user_id, why)
        select $1, f.user_id, f.why from unnest($2::text[], $3::text[]) as f(user_id, why)
        where (select count(*) from segmenter.job_failures where job_id = $1) < $4
        on conflict (job_id, user_id) do update set why = excluded.why"#,
        )
        .bind(id)
        .bind(users)
        .bind(rules)
        .bind(KEPT_FAILURES);
    pool.execute(written).await?;
    Ok(())
}

/// Users whose data broke a rule, with the rule, at most `limit`, by key.
pub async fn failures(pool: &Pool, id: Uuid, limit: i64) -> Result<Vec<(String, String)>, StoreError> {
    let failures =
        pool.query_as("select user_id, why from segmenter.job_failures where job_id = $1 order by user_id limit $2");
    pool.fetch_all(failures.bind(id).bind(limit)).await
}

/// The request and the limits that a job's row holds for its owner.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Instructions {
    pub requested: Requested,
    pub throttle: serde_json::Value,
}

/// Renews the lease, stores the report, and reads the instructions; `None` once another process owns the job.
pub(crate) async fn beat(
    pool: &Pool,
    id: Uuid,
    owner: Uuid,
    lease: Duration,
    report: &serde_json::Value,
) -> Result<Option<Instructions>, StoreError> {
    let renewed = pool
        .query_as(
            r#"
        update segmenter.jobs set leased_until = clock_timestamp() + $3, report = $4
        where id = $1 and owner = $2 returning requested, throttle"#,
        )
        .bind(id)
        .bind(owner)
        .bind(interval(lease))
        .bind(report);
    let row: Option<(String, serde_json::Value)> = pool.fetch_optional(renewed).await?;
    Ok(row.map(|(requested, throttle)| Instructions { requested: Requested::parse(&requested), throttle }))
}

/// Ends the lease, so that the job can be resumed at once.
pub async fn release(pool: &Pool, id: Uuid, owner: Uuid) -> Result<(), StoreError> {
    let written = pool
        .query("update segmenter.jobs set leased_until = 'epoch' where id = $1 and owner = $2")
        .bind(id)
        .bind(owner);
    pool.execute(written).await?;
    Ok(())
}

/// Stores a request for the owner of a job; false if the job does not exist or has ended.
pub async fn ask(pool: &Pool, id: Uuid, requested: Requested, operator: &Operator) -> Result<bool, StoreError> {
    let asked = pool
        .query("update segmenter.jobs set requested = $2 where id = $1 and ended_at is null")
        .bind(id)
        .bind(requested.as_str());
    let act = match requested {
        Requested::Run => Act::Resume,
        Requested::Pause => Act::Pause,
        Requested::Cancel => Act::Cancel,
    };
    write_recorded(pool, asked, &Entry { operator: operator.clone(), act, arguments: json!({"job": id}) }).await
}

/// Sets the limits of a job; false if the job does not exist or has ended.
pub(crate) async fn set_throttle(
    pool: &Pool,
    id: Uuid,
    throttle: &serde_json::Value,
    operator: &Operator,
) -> Result<bool, StoreError> {
    let set = pool
        .query("update segmenter.jobs set throttle = $2 where id = $1 and ended_at is null")
        .bind(id)
        .bind(throttle);
    let arguments = json!({"job": id, "throttle": throttle});
    write_recorded(pool, set, &Entry { operator: operator.clone(), act: Act::Throttle, arguments }).await
}

/// Runs a statement, and records the act if it has written a row; returns whether it has.
async fn write_recorded(pool: &Pool, statement: Statement, entry: &Entry) -> Result<bool, StoreError> {
    let write = async |transaction: &mut PgConnection| {
        let is_written = statement.execute(&mut *transaction).await?.rows_affected() > 0;
        if is_written {
            entry.write(transaction).await?;
        }
        Ok::<_, sqlx::Error>(is_written)
    };
    pool.transaction(write).await
}

fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
