//! Why a command that works through something ended before its end.

use super::exit::Exit;

/// Why it ended. What was done is recorded; the text is for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// A dependency did not answer for as long as somebody who watches would wait.
    #[error("{0}")]
    Unavailable(String),
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
            Self::Unavailable(_) => Exit::DependencyUnavailable,
            Self::Interrupted => Exit::Interrupted,
            Self::Refused(_) => Exit::Refused,
            Self::Failed(_) => Exit::Failure,
        }
    }
}
