//! The one place that decides what an error of the database means for the records at hand.

use std::borrow::Cow;

use crate::runtime::halt::Halt;

use crate::codec::stored::{CodecError, EncodingError};
use crate::domain::fold::NewerCatalog;

/// What to do about a database error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The database is unavailable, refusing work or out of room: wait and try again, for as long as it takes.
    Outage,
    /// A deadlock, a serialization failure or a lock: try again at once.
    Conflict,
    /// A foreign key: most likely the user went between our check and the write, which the next look finds out; if it
    /// stays, it is a rule of the platform's that the data will never satisfy.
    ForeignKey,
    /// The generated key of a new row is taken by another user's row: try again with a random one.
    RowIdTaken,
    /// The data can never be written: isolate the record.
    Permanent,
    /// The schema or our rights are not what this program needs; no record is to blame, so wait as in an outage.
    Misconfigured,
}

impl ErrorClass {
    pub const ALL: [Self; 5] = [Self::Outage, Self::Conflict, Self::RowIdTaken, Self::Permanent, Self::Misconfigured];

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
    #[error("{}", describe(.0))]
    Database(#[source] sqlx::Error),
    /// No answer within the deadline; the connection is dropped, and whether a commit happened is unknown.
    #[error("the database did not answer within {0:?}")]
    TimedOut(std::time::Duration),
    #[error(transparent)]
    NewerCatalog(#[from] NewerCatalog),
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// A stored state that this program cannot read.
    #[error("the stored state of a user is {0}")]
    UnreadableState(#[from] CodecError),
    #[error("a user was deleted and created again between being read and being written")]
    UserReturned,
    /// The lease of the job was lost: nothing of it may be written here any more.
    #[error("another process has taken the job over")]
    JobTakenOver,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        match error.class() {
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
    /// What to do about it; `None` where the process has to stop, since another version of it owns the data, or another
    /// process the job.
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Database(error) => Some(classify(error)),
            Self::TimedOut(_) => Some(ErrorClass::Outage),
            Self::UserReturned => Some(ErrorClass::Conflict),
            // A value that cannot be encoded is a defect of ours, which only its own record meets.
            Self::UnreadableState(CodecError::Damaged { .. }) | Self::Encoding(_) => Some(ErrorClass::Permanent),
            Self::NewerCatalog(_) | Self::UnreadableState(CodecError::Newer { .. }) | Self::JobTakenOver => None,
        }
    }

    /// What may be shown of it: never a value of the data.
    pub fn detail(&self) -> String {
        self.to_string()
    }
}

/// The class of an error of the driver or the server.
pub fn classify(error: &sqlx::Error) -> ErrorClass {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            if code == UNIQUE_VIOLATION && error.constraint() == Some("user_vectors_pkey") {
                return ErrorClass::RowIdTaken;
            }
            classify_sqlstate(&code)
        }
        sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::Configuration(_)
        | sqlx::Error::Tls(_) => ErrorClass::Misconfigured,
        // What TLS makes of a certificate that it does not trust, or of one for another host.
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => ErrorClass::Misconfigured,
        sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => ErrorClass::Permanent,
        _ => ErrorClass::Outage,
    }
}

const UNIQUE_VIOLATION: &str = "23505";

/// The class of a SQLSTATE (PostgreSQL documentation, appendix A). What is not known is no proof against a record.
pub fn classify_sqlstate(code: &str) -> ErrorClass {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => ErrorClass::Conflict,
        "23503" => ErrorClass::ForeignKey,
        // invalid_catalog_name, insufficient_privilege, invalid_authorization, invalid_password
        "3D000" | "42501" | "28000" | "28P01" => ErrorClass::Misconfigured,
        // statement_too_complex and its kin speak of the statement's data
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

/// An error without the values it may quote: for errors about data, code and constraint say enough.
fn describe(error: &sqlx::Error) -> Cow<'static, str> {
    let sqlx::Error::Database(database) = error else {
        return Cow::Owned(error.to_string());
    };
    let code = database.code().unwrap_or_default();
    match classify_sqlstate(&code) {
        ErrorClass::Outage | ErrorClass::Misconfigured => format!("SQLSTATE {code}: {}", database.message()).into(),
        ErrorClass::Conflict | ErrorClass::ForeignKey | ErrorClass::RowIdTaken | ErrorClass::Permanent => {
            let table = database.table().map(|table| format!(", table {table}")).unwrap_or_default();
            let constraint = database.constraint().map(|name| format!(", constraint {name}")).unwrap_or_default();
            format!("SQLSTATE {code}{table}{constraint}").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_never_taken_for_poison_and_what_is_unknown_is_no_proof_against_a_record() {
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
