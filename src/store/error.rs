//! Classifies database errors: outage, conflict, or the fault of a record. Decided here only.

use std::borrow::Cow;

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::codec::stored::{CodecError, EncodingError};
use crate::domain::event::Rejection;
use crate::domain::fold::NewerCatalog;
use crate::runtime::halt::Halt;
use crate::runtime::panics::Panicked;

/// What to do about a database error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The database is unavailable, refuses work or is out of space: retry with backoff, without a limit.
    Outage,
    /// A deadlock, a serialization failure or a lock timeout: retry at once.
    Conflict,
    /// A foreign key: most likely the user was deleted between the check and the write, which the next read finds. If the
    /// error stays, it is a constraint of the platform that the data never satisfies.
    ForeignKey,
    /// Another user's row has the derived id of a new row: retry with a random id.
    RowIdTaken,
    /// The data can never be written: isolate the record.
    Permanent,
    /// Schema or privileges do not fit this program; no record is at fault, so retry as in an outage.
    Misconfigured,
}

impl ErrorClass {
    pub const ALL: [Self; 6] =
        [Self::Outage, Self::Conflict, Self::ForeignKey, Self::RowIdTaken, Self::Permanent, Self::Misconfigured];

    /// The stable name used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::Conflict => "conflict",
            Self::ForeignKey => "foreign_key",
            Self::RowIdTaken => "row_id_taken",
            Self::Permanent => "permanent",
            Self::Misconfigured => "misconfigured",
        }
    }
}

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Without a source, whose text may quote data.
    #[error("{}", describe(.0))]
    Database(sqlx::Error),
    /// No answer within the deadline. The connection is closed; the outcome of a commit is unknown.
    #[error("the database did not answer within {0:?}")]
    TimedOut(std::time::Duration),
    #[error(transparent)]
    NewerCatalog(#[from] NewerCatalog),
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// A stored state that this program cannot read.
    #[error("the stored state of a user is {0}")]
    UnreadableState(#[from] CodecError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// Of a batch whose rest is written.
    #[error("another session locks rows of the batch; users that wait: {users} ({conflict})")]
    Locked { users: usize, conflict: Box<StoreError> },
    #[error("a user was deleted and created again between being read and being written")]
    UserReturned,
    /// The lease of the job was lost: this process may not write for it any more.
    #[error("another process has taken the job over")]
    JobTakenOver,
    /// The database has gone back in time: it lacks the checkpoint before, or commits of the batch that leads to this one.
    #[error("the database has lost commits of the job")]
    CheckpointLost,
    #[error("the database has lost the job altogether; start it again")]
    JobVanished,
    /// Of a dry run.
    #[error("the temporary file of the dry run: {0}")]
    TemporaryFile(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        match error.class() {
            None if matches!(error, StoreError::CheckpointLost) => Self::CheckpointLost,
            None if matches!(error, StoreError::TemporaryFile(_)) => Self::Failed(error.to_string()),
            None => Self::Refused(error.detail()),
            Some(ErrorClass::Outage | ErrorClass::Conflict) => {
                Self::Unavailable(format!("PostgreSQL: {}", error.detail()))
            }
            Some(_) => Self::Failed(error.detail()),
        }
    }
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl StoreError {
    /// The class of the error; `None` where the process must not write any more: a newer version owns the data, another process
    /// the job, or the job has to go back to its stored checkpoint.
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Database(error) => Some(classify(error)),
            Self::TimedOut(_) => Some(ErrorClass::Outage),
            Self::UserReturned | Self::Locked { .. } => Some(ErrorClass::Conflict),
            // A panic, or a value that cannot be encoded, is a defect of ours that only its own record triggers.
            Self::UnreadableState(CodecError::Damaged { .. }) | Self::Encoding(_) | Self::Panicked(_) => {
                Some(ErrorClass::Permanent)
            }
            Self::NewerCatalog(_)
            | Self::UnreadableState(CodecError::Newer { .. })
            | Self::JobTakenOver
            | Self::CheckpointLost
            | Self::JobVanished
            | Self::TemporaryFile(_) => None,
        }
    }

    /// Whether the server of the connection cannot serve, so that no other connection to it is of use: it is a standby, it
    /// shuts down or starts, or it is silent.
    pub(crate) fn is_of_the_server(&self) -> bool {
        // read_only_sql_transaction, admin_shutdown, crash_shutdown, cannot_connect_now
        matches!(self, Self::TimedOut(_)) || self.has_sqlstate(&["25006", "57P01", "57P02", "57P03"])
    }

    /// Whether the server refuses the password.
    pub(crate) fn is_refused_password(&self) -> bool {
        self.has_sqlstate(&["28P01"])
    }

    fn has_sqlstate(&self, codes: &[&str]) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| codes.contains(&&*code))
    }

    /// The rejection of the record that alone causes the error.
    pub(super) fn rejection(&self) -> Rejection {
        match self {
            Self::Encoding(_) | Self::Panicked(_) => Rejection::internal(self.detail()),
            _ => Rejection::by_database(self.detail()),
        }
    }

    /// The text to log: never a value of the data.
    pub fn detail(&self) -> String {
        self.to_string()
    }
}

/// The class of an error of the driver or the server.
pub(crate) fn classify(error: &sqlx::Error) -> ErrorClass {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            match (&*code, error.constraint()) {
                (UNIQUE_VIOLATION, Some("user_vectors_pkey")) => ErrorClass::RowIdTaken,
                (FOREIGN_KEY_VIOLATION, Some("profile_states_user_id_fkey")) => ErrorClass::ForeignKey,
                _ if breaks_our_constraint(&**error) => ErrorClass::Outage,
                _ => classify_sqlstate(&code),
            }
        }
        sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::Configuration(_)
        | sqlx::Error::Tls(_) => ErrorClass::Misconfigured,
        // TLS reports an untrusted certificate, or one for another host, this way.
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => ErrorClass::Misconfigured,
        sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => ErrorClass::Permanent,
        _ => ErrorClass::Outage,
    }
}

const UNIQUE_VIOLATION: &str = "23505";
const FOREIGN_KEY_VIOLATION: &str = "23503";

/// Whether a constraint of schema `segmenter` is violated. No record can cause that: the schema is damaged, or was restored
/// without its sequences.
fn breaks_our_constraint(error: &dyn DatabaseError) -> bool {
    let schema = error.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::schema);
    schema == Some("segmenter") && error.code().is_some_and(|code| code.starts_with("23"))
}

/// The class of a SQLSTATE (PostgreSQL documentation, appendix A). An unknown code is an outage, never a record's fault.
pub(crate) fn classify_sqlstate(code: &str) -> ErrorClass {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => ErrorClass::Conflict,
        FOREIGN_KEY_VIOLATION => ErrorClass::ForeignKey,
        // invalid_catalog_name, insufficient_privilege, invalid_authorization, invalid_password
        "3D000" | "42501" | "28000" | "28P01" => ErrorClass::Misconfigured,
        // program_limit_exceeded, statement_too_complex, too_many_columns: caused by the statement's data
        "54000" | "54001" | "54011" => ErrorClass::Permanent,
        _ => match code.get(..2).unwrap_or_default() {
            // data exception, integrity constraint, triggered data change, raised by a trigger, with check option
            "22" | "23" | "27" | "P0" | "44" => ErrorClass::Permanent,
            // syntax or missing object, invalid schema, feature not supported
            "42" | "3F" | "0A" => ErrorClass::Misconfigured,
            _ => ErrorClass::Outage,
        },
    }
}

/// An error without the values that it may quote: for errors about data only SQLSTATE, table and constraint.
fn describe(error: &sqlx::Error) -> Cow<'static, str> {
    let sqlx::Error::Database(database) = error else {
        return Cow::Owned(error.to_string());
    };
    let code = database.code().unwrap_or_default();
    let schema = if breaks_our_constraint(&**database) { "segmenter." } else { "" };
    match classify_sqlstate(&code) {
        ErrorClass::Outage | ErrorClass::Misconfigured => format!("SQLSTATE {code}: {}", database.message()).into(),
        ErrorClass::Conflict | ErrorClass::ForeignKey | ErrorClass::RowIdTaken | ErrorClass::Permanent => {
            let table = database.table().map(|table| format!(", table {schema}{table}")).unwrap_or_default();
            let constraint = database.constraint().map(|name| format!(", constraint {name}")).unwrap_or_default();
            format!("SQLSTATE {code}{table}{constraint}").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::DATABASE_ERROR_CLASSES;

    #[test]
    fn every_class_has_a_series_from_the_start() {
        assert_eq!(ErrorClass::ALL.map(ErrorClass::as_str), DATABASE_ERROR_CLASSES);
    }

    #[test]
    fn an_outage_is_never_poison_and_an_unknown_code_is_an_outage() {
        for code in ["08006", "57P01", "57P03", "53100", "53300", "58030", "XX000", "25006", "ZZ999", ""] {
            assert_eq!(classify_sqlstate(code), ErrorClass::Outage, "{code}");
        }
        for code in ["22003", "22P02", "23502", "23514", "P0001", "54000"] {
            assert_eq!(classify_sqlstate(code), ErrorClass::Permanent, "{code}");
        }
        for code in ["42P01", "42703", "42501", "3F000", "28P01"] {
            assert_eq!(classify_sqlstate(code), ErrorClass::Misconfigured, "{code}");
        }
        assert_eq!(classify_sqlstate("40P01"), ErrorClass::Conflict);
        assert_eq!(classify_sqlstate("23503"), ErrorClass::ForeignKey);
        assert_eq!(classify(&sqlx::Error::PoolTimedOut), ErrorClass::Outage);
        let io = |kind: std::io::ErrorKind| classify(&sqlx::Error::Io(kind.into()));
        assert_eq!(io(std::io::ErrorKind::ConnectionRefused), ErrorClass::Outage);
        assert_eq!(io(std::io::ErrorKind::InvalidData), ErrorClass::Misconfigured);
    }
}
