//! Why a command that works through something ended before its end.

use crate::exit::Exit;
use crate::kafka::topic_reader::ReadError;
use crate::store::error::{ErrorClass, StoreError};

/// Why it ended. What was done is recorded; the text is for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// A dependency did not answer for as long as somebody who watches would wait.
    #[error("{0}")]
    Away(String),
    #[error("interrupted; what was done is recorded, and the rest can be done later")]
    Interrupted,
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
}

impl Halt {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Away(_) => Exit::DependencyAway,
            Self::Interrupted => Exit::Interrupted,
            Self::Refused(_) => Exit::Refused,
            Self::Failed(_) => Exit::Failure,
        }
    }
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Away(_) => Self::Away(error.to_string()),
            ReadError::Interrupted => Self::Interrupted,
            ReadError::Missing(_) => Self::Refused(error.to_string()),
            ReadError::Failed { .. } | ReadError::Undecodable { .. } => Self::Failed(error.to_string()),
        }
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        match error.class() {
            None => Self::Refused(error.detail()),
            Some(ErrorClass::Outage | ErrorClass::Conflict) => Self::Away(format!("PostgreSQL: {}", error.detail())),
            Some(_) => Self::Failed(error.detail()),
        }
    }
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}
