//! Checkpoints: how far a job is, as its owner knows it, compared with the database before each is written.
//!
//! The database may go back in time. A checkpoint is written over the position before it, or over itself after an unknown
//! outcome, in the phase that the owner knows, and only if the batch's earlier transactions ran in the history of this one. What
//! was acknowledged earlier in the same history stands earlier in the write-ahead log: a checkpoint that is left proves that
//! everything before it is left too.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{Counts, Phase};
use crate::store::error::StoreError;
use crate::store::history::{Histories, history};
use crate::store::sql::{Pool, Sessions};

/// The position of a job after a batch.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    pub job: Uuid,
    pub owner: Uuid,
    pub phase: Phase,
    pub part: Arc<str>,
    /// The position before the batch.
    pub before: String,
    pub position: String,
    pub done: bool,
    /// Of the part: the items before the batch, and those of the batch that needed no fold. The outcomes of the batch are added
    /// when it is written.
    pub counts: Counts,
    /// Where the batch was read and written so far.
    pub ran_in: Histories,
}

/// The lock on the job's row makes a new owner wait until this transaction has ended, and then read its position.
const WRITE: &str = concat!(
    "with held as (select id from segmenter.jobs where id = $1 and owner = $2 and phase = $3 for share)
     update segmenter.job_parts as part set position = $6, done = $7, counts = $8
     from held where part.job_id = held.id and part.part = $4 and part.position in ($5, $6)
       and ($9::bigint is null or $9 = ",
    history!(),
    ")"
);

/// Writes a checkpoint. Part of the transaction of the batch that leads to it.
///
/// # Errors
/// The database is unavailable or has lost commits, or the job has another owner.
pub async fn checkpoint(
    connection: &mut PgConnection,
    checkpoint: &Checkpoint,
    sessions: &Sessions,
) -> Result<(), StoreError> {
    let written = sessions
        .query(WRITE)
        .bind(checkpoint.job)
        .bind(checkpoint.owner)
        .bind(checkpoint.phase.as_str())
        .bind(checkpoint.part.to_string())
        .bind(checkpoint.before.clone())
        .bind(checkpoint.position.clone())
        .bind(checkpoint.done)
        .bind(checkpoint.counts.to_json())
        .bind(checkpoint.ran_in.parameter())
        .execute(&mut *connection)
        .await?;
    if written.rows_affected() > 0 {
        return Ok(());
    }
    Err(mismatch(connection, checkpoint.job, checkpoint.owner, sessions).await?)
}

/// Why the job's row, or that of a part, is not as its owner knows it.
async fn mismatch(
    connection: &mut PgConnection,
    job: Uuid,
    owner: Uuid,
    sessions: &Sessions,
) -> Result<StoreError, sqlx::Error> {
    let is_owned: Option<bool> = sessions
        .query_scalar("select owner is not distinct from $2 from segmenter.jobs where id = $1")
        .bind(job)
        .bind(owner)
        .fetch_optional(connection)
        .await?;
    Ok(match is_owned {
        None => StoreError::JobVanished,
        Some(false) => StoreError::JobTakenOver,
        Some(true) => StoreError::CheckpointLost,
    })
}

/// The next phase of a job, or its end, which also ends the lease.
#[derive(Debug)]
pub(crate) struct PhaseChange {
    pub job: Uuid,
    pub owner: Uuid,
    pub from: Phase,
    pub to: Phase,
    /// The parts, with the positions that the owner knows.
    pub positions: Vec<(Arc<str>, String)>,
}

/// Moves a job to its next phase, or ends it.
///
/// # Errors
/// As [`checkpoint`].
pub(crate) async fn enter_phase(pool: &Pool, change: &PhaseChange) -> Result<(), StoreError> {
    let (parts, positions): (Vec<String>, Vec<String>) =
        change.positions.iter().map(|(part, position)| (part.to_string(), position.clone())).unzip();
    pool.transaction(async |transaction: &mut PgConnection| {
        let entered = pool
            .query(
                r#"
            update segmenter.jobs
            set phase = $4, ended_at = case when $5 then clock_timestamp() end,
                leased_until = case when $5 then 'epoch' else leased_until end
            where id = $1 and owner = $2 and phase in ($3, $4) and not exists (
                select from unnest($6::text[], $7::text[]) as known(part, position)
                left join segmenter.job_parts stored on stored.job_id = $1 and stored.part = known.part
                where stored.position is distinct from known.position)"#,
            )
            .bind(change.job)
            .bind(change.owner)
            .bind(change.from.as_str())
            .bind(change.to.as_str())
            .bind(change.to.is_end())
            .bind(parts)
            .bind(positions)
            .execute(&mut *transaction)
            .await?;
        if entered.rows_affected() > 0 {
            return Ok(());
        }
        Err(mismatch(transaction, change.job, change.owner, pool).await?)
    })
    .await
}
