//! Why a command ended before its work was done.

use super::exit::Exit;

/// Why a command ended early. The work that is done is recorded; the text is for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// A dependency stayed unavailable past the deadline of an interactive command.
    #[error("{0}")]
    Unavailable(String),
    #[error("interrupted; the work that is done is recorded, and the rest can be done later")]
    Interrupted,
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
    /// A job goes on from its stored checkpoint.
    #[error("the database has lost commits of the job; it goes on from the checkpoint that is left")]
    CheckpointLost,
}

impl Halt {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unavailable(_) => Exit::DependencyUnavailable,
            Self::Interrupted => Exit::Interrupted,
            Self::Refused(_) => Exit::Refused,
            Self::Failed(_) | Self::CheckpointLost => Exit::Failure,
        }
    }
}
