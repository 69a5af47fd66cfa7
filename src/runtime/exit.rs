//! The exit codes of the program, documented in `segmenter --help` and the runbook.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    Failure = 1,
    /// Wrong arguments or configuration.
    Usage = 2,
    /// A precondition does not hold: the schema is behind, the data is newer than this program.
    Refused = 3,
    /// The command finished and has findings.
    Findings = 4,
    /// A poison flood: a rejection run that is too long.
    Flood = 5,
    /// A dependency is unavailable.
    DependencyUnavailable = 75,
    /// Interrupted; the work that is done is recorded.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
