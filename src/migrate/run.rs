//! `migrate run`: applies the pending migrations, oldest first.

use sqlx::migrate::Migrate;
use sqlx::{Connection, PgConnection};

use super::error::{MigrateError, Refusal};
use super::facts::{INDEX, IndexState, PlatformSchema, UserVectors};
use super::files::{self, Kind, VersionedFile};
use super::progress::{Notice, Progress};
use super::schema::{self, SchemaStatus};
use super::session::{self, Limits, Step};
use super::{bookkeeping, index, preconditions};

/// How to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Add the segment columns even where Prisma's migrations govern the database.
    pub add_columns: bool,
    /// Report the plan and change nothing.
    pub dry_run: bool,
}

/// Applies the pending migrations and rebuilds the index on `primarySegment` unless it is valid. Returns the versions applied.
///
/// A database that is newer than this binary but compatible with it is left alone: an application that was rolled back
/// migrates before it starts.
///
/// # Errors
/// See [`MigrateError`]. Steps before the one that failed stay applied; running again continues after them.
pub async fn run(
    conn: &mut PgConnection,
    options: RunOptions,
    limits: &Limits,
    progress: Progress<'_>,
) -> Result<Vec<i64>, MigrateError> {
    if options.dry_run {
        let mut transaction = conn.begin_with("begin transaction read only").await?;
        let plan = Plan::make(&mut transaction, options.add_columns, progress).await?;
        plan.report(progress);
        transaction.rollback().await?;
        return Ok(Vec::new());
    }
    session::prepare(conn, limits).await?;
    session::lock(conn, limits, progress).await?;
    let outcome = apply_pending(conn, options, limits, progress).await;
    session::unlock(conn).await;
    outcome
}

async fn apply_pending(
    conn: &mut PgConnection,
    options: RunOptions,
    limits: &Limits,
    progress: Progress<'_>,
) -> Result<Vec<i64>, MigrateError> {
    let plan = Plan::make(conn, options.add_columns, progress).await?;
    plan.report(progress);
    if !plan.pending.is_empty() {
        bookkeeping::create_tables(conn).await?;
    }
    let mut applied = Vec::new();
    for file in &plan.pending {
        let step = step("apply", file, limits);
        session::yielding(conn, limits, progress, &step, async |conn| apply(conn, limits, file).await).await?;
        progress(Notice::Done { step: step.name });
        applied.push(file.version);
    }
    if let Some(file) = plan.repair {
        let step = step("repair", file, limits);
        session::yielding(conn, limits, progress, &step, async |conn| index::repair(conn, limits, file).await).await?;
        progress(Notice::Done { step: step.name });
    }
    Ok(applied)
}

async fn apply(conn: &mut PgConnection, limits: &Limits, file: &VersionedFile) -> Result<(), MigrateError> {
    match file.kind {
        Kind::ConcurrentIndex => index::apply(conn, limits, file).await,
        Kind::Transaction => {
            let mut transaction = conn.begin().await?;
            transaction.apply(bookkeeping::TABLE, &file.up()).await?;
            bookkeeping::record_compatibility(&mut transaction, file).await?;
            Ok(transaction.commit().await?)
        }
    }
}

/// The step of a migration: name, tables and lock timeout.
pub(super) fn step<'a>(verb: &str, file: &VersionedFile, limits: &Limits) -> Step<'a> {
    let (timeout, attempts) = match file.kind {
        Kind::Transaction => (limits.lock_timeout, limits.attempts),
        // Each attempt is a build of its own.
        Kind::ConcurrentIndex => (limits.build_timeout, limits.attempts.min(2)),
    };
    Step { name: format!("{verb} {} {}", file.version, file.name), locks: file.locks, timeout, attempts }
}

/// The plan of a run.
struct Plan {
    facts: PlatformSchema,
    pending: Vec<&'static VersionedFile>,
    /// The migration of the index, if it was applied and the index is invalid or missing.
    repair: Option<&'static VersionedFile>,
}

impl Plan {
    async fn make(conn: &mut PgConnection, add_columns: bool, progress: Progress<'_>) -> Result<Self, MigrateError> {
        let status = schema::check(conn).await?;
        let facts = PlatformSchema::read(conn).await?;
        let pending: Vec<_> = match status {
            SchemaStatus::Current => Vec::new(),
            SchemaStatus::Missing => files::ALL.iter().collect(),
            SchemaStatus::Behind { pending } => pending.into_iter().filter_map(files::find).collect(),
            SchemaStatus::NewerCompatible { .. } => {
                progress(Notice::Remark(status.to_string()));
                Vec::new()
            }
            SchemaStatus::TooNew { .. }
            | SchemaStatus::Modified { .. }
            | SchemaStatus::Foreign { .. }
            | SchemaStatus::Damaged { .. } => return Err(Refusal::Schema(status).into()),
        };
        preconditions::check_server(&facts)?;
        let is_pending = |version| pending.iter().any(|file| file.version == version);
        if is_pending(files::SEGMENT_COLUMNS) {
            let remarks = preconditions::check(&facts, add_columns)?;
            remarks.into_iter().for_each(|remark| progress(Notice::Remark(remark)));
        }
        let is_valid = facts.index == IndexState::Valid;
        let repair = files::find(files::PRIMARY_SEGMENT_INDEX).filter(|file| !is_valid && !is_pending(file.version));
        Ok(Self { facts, pending, repair })
    }

    fn report(&self, progress: Progress<'_>) {
        if self.pending.is_empty() && self.repair.is_none() {
            progress(Notice::Nothing);
        }
        for file in &self.pending {
            let step = format!("apply {} {}", file.version, file.name);
            progress(Notice::Planned { step, actions: self.actions(file.version) });
        }
        if let Some(file) = self.repair {
            let step = format!("repair {} {}", file.version, file.name);
            progress(Notice::Planned { step, actions: vec![self.index_action()] });
        }
    }

    /// The actions of applying a migration on this database.
    fn actions(&self, version: i64) -> Vec<String> {
        match version {
            files::SEGMENT_COLUMNS => vec![self.columns_action()],
            files::PRIMARY_SEGMENT_INDEX => vec![self.index_action()],
            files::PROFILE_STATES => {
                let create = "create segmenter.profile_states, segmenter.outbox and segmenter.deleted_users".to_owned();
                let follow = match self.facts.users_id {
                    Some(_) => "let a state follow its user in public.users (foreign key)",
                    None => "no foreign key: public.users does not exist",
                };
                vec![create, follow.to_owned()]
            }
            files::JOBS => vec![
                "create segmenter.jobs, segmenter.job_parts, segmenter.job_users and segmenter.job_failures".to_owned(),
            ],
            _ => Vec::new(),
        }
    }

    fn columns_action(&self) -> String {
        let missing = self.facts.missing_columns();
        if self.facts.user_vectors == UserVectors::Missing {
            "create public.user_vectors".to_owned()
        } else if missing.is_empty() {
            "leave public.user_vectors as it is: it has the segment columns".to_owned()
        } else {
            format!("add to public.user_vectors: {}", missing.join(", "))
        }
    }

    fn index_action(&self) -> String {
        match self.facts.index {
            IndexState::Valid => format!("leave {INDEX} as it is"),
            IndexState::Missing => format!("build {INDEX} concurrently"),
            IndexState::Invalid | IndexState::NameTaken => {
                format!("drop {INDEX}, which is invalid, and build it anew, both concurrently")
            }
        }
    }
}
