//! The exit code of a command that fails.

use crate::codec::stored::CodecError;
use crate::kafka::topic_reader::ReadError;
use crate::runtime::exit::Exit;
use crate::runtime::halt::Halt;
use crate::store::error::{ErrorClass, StoreError, classify};

/// Ends the command with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct Ends {
    exit: Exit,
    why: String,
}

/// The error that ends a command with `exit`, for the reason `why`.
pub fn ends(exit: Exit, why: impl Into<String>) -> anyhow::Error {
    Ends { exit, why: why.into() }.into()
}

/// The exit code of `error`: that of its first cause that has one.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    let of_cause = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(ends) = cause.downcast_ref::<Ends>() {
            return Some(ends.exit);
        }
        if let Some(halt) = cause.downcast_ref::<Halt>() {
            return Some(halt.exit());
        }
        match cause.downcast_ref::<ReadError>() {
            Some(ReadError::Unavailable(_)) => return Some(Exit::DependencyUnavailable),
            Some(ReadError::Missing(_) | ReadError::PastEnd { .. }) => return Some(Exit::Refused),
            Some(ReadError::Interrupted) => return Some(Exit::Interrupted),
            Some(ReadError::Failed { .. } | ReadError::Undecodable { .. }) | None => {}
        }
        if matches!(cause.downcast_ref(), Some(CodecError::Newer { .. })) {
            return Some(Exit::Refused);
        }
        match (cause.downcast_ref().map(StoreError::class), cause.downcast_ref().map(classify)) {
            // Newer data, or another owner of the job.
            (Some(None), _) => Some(Exit::Refused),
            (Some(Some(ErrorClass::Outage)), _) | (_, Some(ErrorClass::Outage)) => Some(Exit::DependencyUnavailable),
            _ => None,
        }
    };
    error.chain().find_map(of_cause).unwrap_or(Exit::Failure)
}
