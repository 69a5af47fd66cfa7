//! Errors of a migration, by the action that they need.

use std::fmt;
use std::time::Duration;

use super::status::SchemaStatus;
use crate::store::error::{ErrorClass, classify};

/// Why a migration failed. Each step is all or nothing (a concurrent build may leave an invalid index, which the next run
/// replaces), and earlier steps stay applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The operator has to decide or act first; a retry fails the same way.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another session migrates this database and did not finish within the deadline.
    #[error("another session holds the migration lock ({holder}); gave up after {} s", waited.as_secs())]
    Busy { holder: String, waited: Duration },
    /// A lock that a step needs was not granted; the step was rolled back.
    #[error("{step}: no lock within {} ms, {attempts} times; {holders}; the step was rolled back", timeout.as_millis())]
    Locked { step: String, timeout: Duration, attempts: u32, holders: Holders },
    /// The database is unavailable.
    #[error("PostgreSQL is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Any other error of the database.
    #[error("{0}")]
    Database(#[source] sqlx::Error),
}

/// The sessions that hold locks on the tables of a step. Shows no query, since queries may carry personal data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders(pub Vec<String>);

impl fmt::Display for Holders {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str("the session that held it has ended since");
        }
        write!(out, "locks are held by {}", self.0.join("; "))
    }
}

/// A precondition that does not hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    #[error(
        "public.user_vectors has no column {}, and Prisma's migrations govern this database: deploy the Prisma \
         migration IA-002.1 add_user_segments first (npx prisma migrate deploy), since its own ADD COLUMN would fail \
         after ours; or use --add-columns and mark that migration as applied",
        missing.join(", ")
    )]
    PrismaColumns { missing: Vec<String> },
    #[error(
        "public.user_vectors does not exist, and Prisma's migrations govern this database: deploy them first (npx \
         prisma migrate deploy, up to and with IA-002.1 add_user_segments), since their own CREATE TABLE would fail \
         after ours"
    )]
    PrismaTable,
    #[error("public.user_vectors is not an ordinary table")]
    NotATable,
    #[error("public.user_vectors has no column {0}: this is not the platform's table")]
    NotThePlatforms(&'static str),
    #[error("column {column} of public.user_vectors is of type {found}, not {wanted}")]
    ColumnType { column: &'static str, found: String, wanted: &'static str },
    #[error("public.users has no column id of type text: this is not the platform's table")]
    UsersTable,
    #[error(
        "public.\"user_vectors_primarySegment_idx\" exists but is not the index on \"primarySegment\" of \
         public.user_vectors; rename or drop it"
    )]
    IndexNameTaken,
    #[error("this server is PostgreSQL {}; 14 or newer is needed", .0 / 10_000)]
    OldServer(i32),
    #[error("this server is a read-only standby; migrate the primary")]
    Standby,
    #[error("{0}")]
    Schema(SchemaStatus),
    #[error("no migration has version {0}")]
    UnknownVersion(i64),
    #[error(
        "{0}; the migrating role owns public.user_vectors, may create in schema public and in the database, and may \
         refer to public.users"
    )]
    NotPermitted(String),
    #[error("{0}; drop what depends on it first")]
    Dependents(String),
}

impl From<sqlx::Error> for MigrateError {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else {
            return match error {
                sqlx::Error::Io(_) if classify(&error) != ErrorClass::Outage => Self::Database(error),
                sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
                other => Self::Database(other),
            };
        };
        // SQLSTATE, https://www.postgresql.org/docs/15/errcodes-appendix.html
        match database.code().as_deref().unwrap_or_default() {
            "42501" => Refusal::NotPermitted(database.message().to_owned()).into(),
            "2BP01" => Refusal::Dependents(database.message().to_owned()).into(),
            "25006" => Refusal::Standby.into(),
            "53300" | "57P01" | "57P02" | "57P03" => Self::Unavailable(error),
            code if code.starts_with("08") => Self::Unavailable(error),
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for MigrateError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
                error.into()
            }
            other => Self::Database(sqlx::Error::Migrate(Box::new(other))),
        }
    }
}

impl MigrateError {
    /// Whether the step failed by contention with other sessions (`lock_not_available`, `deadlock_detected`), so that a retry may
    /// succeed.
    pub(super) fn is_contention(&self) -> bool {
        match self {
            Self::Database(error) => error
                .as_database_error()
                .and_then(|database| database.code())
                .is_some_and(|code| code == "55P03" || code == "40P01"),
            _ => false,
        }
    }
}
