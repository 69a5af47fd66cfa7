//! `migrate revert`: reverts migrations, newest first. Drops the objects that they created and leaves those that were there before.

use serde_json::json;
use sqlx::migrate::Migrate;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::error::{MigrateError, Refusal};
use super::facts::{INDEX, PlatformSchema, SEGMENT_COLUMNS};
use super::files::{self, Kind, VersionedFile};
use super::progress::{Notice, Progress};
use super::run::step;
use super::schema::{self, SchemaStatus};
use super::session::{self, Limits};
use super::{bookkeeping, index};
use crate::store::audit::{Act, Entry, Operator};

/// How far to revert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Revert the newest applied migration.
    OneStep,
    /// Revert every migration newer than this version; this one stays.
    Version(i64),
    /// Revert all, and drop schema `segmenter` if we created it.
    All,
}

/// How to revert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevertOptions {
    pub target: Target,
    /// Execute; otherwise steps and losses are only reported.
    pub execute: bool,
}

/// Reverts migrations, newest first, after reporting the data that will be lost. Returns the versions reverted.
///
/// # Errors
/// See [`MigrateError`]. Steps before the one that failed stay reverted.
pub async fn revert(
    conn: &mut PgConnection,
    options: RevertOptions,
    operator: &Operator,
    limits: &Limits,
    progress: Progress<'_>,
) -> Result<Vec<i64>, MigrateError> {
    if !options.execute {
        let mut transaction = conn.begin().await?;
        plan(&mut transaction, options.target, progress).await?;
        transaction.rollback().await?;
        return Ok(Vec::new());
    }
    session::prepare(conn, limits).await?;
    session::lock(conn, limits, progress).await?;
    let outcome = revert_applied(conn, options.target, operator, limits, progress).await;
    session::unlock(conn).await;
    outcome
}

async fn revert_applied(
    conn: &mut PgConnection,
    target: Target,
    operator: &Operator,
    limits: &Limits,
    progress: Progress<'_>,
) -> Result<Vec<i64>, MigrateError> {
    let mut reverted = Vec::new();
    for file in plan(conn, target, progress).await? {
        let step = step("revert", file, limits);
        let entry = Entry {
            operator: operator.clone(),
            act: Act::Revert,
            arguments: json!({"migration": file.version, "name": file.name}),
        };
        session::yielding(conn, limits, progress, &step, async |conn| undo(conn, limits, file, &entry).await).await?;
        progress(Notice::Done { step: step.name });
        reverted.push(file.version);
    }
    if !reverted.is_empty() && bookkeeping::applied(conn).await?.is_empty() {
        bookkeeping::drop_tables(conn).await?;
    }
    Ok(reverted)
}

async fn undo(
    conn: &mut PgConnection,
    limits: &Limits,
    file: &VersionedFile,
    entry: &Entry,
) -> Result<(), MigrateError> {
    match file.kind {
        Kind::ConcurrentIndex => {
            index::revert(conn, limits, file).await?;
            Ok(entry.write(conn).await?)
        }
        Kind::Transaction => {
            let mut transaction = conn.begin().await?;
            transaction.revert(bookkeeping::TABLE, &file.down()).await?;
            bookkeeping::forget(&mut transaction, file.version).await?;
            entry.write(&mut transaction).await?;
            Ok(transaction.commit().await?)
        }
    }
}

/// Selects the migrations to revert, newest first, and reports actions and losses of each.
async fn plan(
    conn: &mut PgConnection,
    target: Target,
    progress: Progress<'_>,
) -> Result<Vec<&'static VersionedFile>, MigrateError> {
    bookkeeping::cede_to_prisma(conn).await?;
    let status = schema::check(conn).await?;
    match status {
        // A migration of another file, or an unknown one, cannot be reverted by this binary.
        SchemaStatus::NewerCompatible { .. }
        | SchemaStatus::TooNew { .. }
        | SchemaStatus::Modified { .. }
        | SchemaStatus::Foreign { .. } => return Err(Refusal::Schema(status).into()),
        SchemaStatus::Missing | SchemaStatus::Current | SchemaStatus::Behind { .. } | SchemaStatus::Damaged { .. } => {}
    }
    let applied: Vec<_> = bookkeeping::applied(conn)
        .await?
        .into_iter()
        .rev()
        .filter_map(|applied| files::find(applied.version))
        .collect();
    let steps: Vec<_> = match target {
        Target::OneStep => applied.into_iter().take(1).collect(),
        Target::All => applied,
        Target::Version(version) => {
            if version != 0 && files::find(version).is_none() {
                return Err(Refusal::UnknownVersion(version).into());
            }
            applied.into_iter().filter(|file| file.version > version).collect()
        }
    };
    if steps.is_empty() {
        progress(Notice::Nothing);
    }
    for file in &steps {
        let (actions, losses) = consequences(conn, file.version).await?;
        progress(Notice::Planned { step: format!("revert {} {}", file.version, file.name), actions });
        losses.into_iter().for_each(|(what, count)| progress(Notice::Loss { what: what.to_owned(), count }));
    }
    if steps.iter().any(|file| file.version == files::SEGMENT_COLUMNS) {
        let count = sqlx::query_scalar("select count(*) from segmenter.audit").fetch_one(conn).await?;
        progress(Notice::Loss { what: "acts of operators in segmenter.audit".to_owned(), count });
    }
    Ok(steps)
}

type Consequences = (Vec<String>, Vec<(&'static str, i64)>);

/// The actions of reverting a migration on this database, and the rows that it destroys by kind.
async fn consequences(conn: &mut PgConnection, version: i64) -> Result<Consequences, MigrateError> {
    match version {
        files::SEGMENT_COLUMNS => columns_consequences(conn).await,
        files::PRIMARY_SEGMENT_INDEX => {
            let action = if index::is_ours(conn).await? {
                format!("drop {INDEX} concurrently")
            } else {
                format!("leave {INDEX}: it was there before us")
            };
            Ok((vec![action], Vec::new()))
        }
        files::PROFILE_STATES => {
            let actions =
                vec!["drop segmenter.profile_states, segmenter.outbox and segmenter.deleted_users".to_owned()];
            let (states, outbox, deleted): (i64, i64, i64) = sqlx::query_as(
                "select (select count(*) from segmenter.profile_states), (select count(*) from segmenter.outbox),
                        (select count(*) from segmenter.deleted_users)",
            )
            .fetch_one(conn)
            .await?;
            let losses = vec![
                ("profile states (to be rebuilt from the topics)", states),
                ("outbox rows, changes that are not yet published", outbox),
                ("deleted users, whose erasure would be forgotten", deleted),
            ];
            Ok((actions, losses))
        }
        files::JOBS => {
            let actions = vec![
                "drop segmenter.jobs, segmenter.job_parts, segmenter.job_users and segmenter.job_failures".to_owned(),
            ];
            let left: i64 = sqlx::query_scalar("select count(*) from segmenter.jobs where ended_at is null")
                .fetch_one(conn)
                .await?;
            Ok((actions, vec![("jobs that have not ended, and could be resumed", left)]))
        }
        _ => Ok((Vec::new(), Vec::new())),
    }
}

async fn columns_consequences(conn: &mut PgConnection) -> Result<Consequences, MigrateError> {
    let provenance = bookkeeping::provenance(conn).await?;
    let is_ours = |object: &str| provenance.iter().any(|(known, existed)| known == object && !existed);
    if is_ours("table public.user_vectors") {
        let rows = sqlx::query_scalar("select count(*) from public.user_vectors").fetch_one(conn).await?;
        return Ok((vec!["drop table public.user_vectors".to_owned()], vec![("rows of public.user_vectors", rows)]));
    }
    let missing = PlatformSchema::read(conn).await?.missing_columns();
    let ours: Vec<_> = SEGMENT_COLUMNS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| is_ours(&format!("column public.user_vectors.{name}")))
        .filter(|name| !missing.iter().any(|absent| absent == name))
        .collect();
    if ours.is_empty() {
        return Ok((vec!["leave the segment columns: they were there before us".to_owned()], Vec::new()));
    }
    // Only names from the constant list above.
    let filled =
        format!("select count(*) from public.user_vectors where num_nonnulls(\"{}\") > 0", ours.join("\", \""));
    let rows = sqlx::query_scalar(AssertSqlSafe(filled)).fetch_one(conn).await?;
    let action = format!("drop from public.user_vectors: {}", ours.join(", "));
    Ok((vec![action], vec![("rows of public.user_vectors with segments", rows)]))
}
