//! Notices of a running migration.

use std::fmt;
use std::time::Duration;

use super::error::Holders;

/// Receives the notices as they occur.
pub type Progress<'a> = &'a mut (dyn FnMut(Notice) + Send);

/// A notice about a step, before or after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Another session migrates; this one polls until the deadline.
    Waiting { holder: String },
    /// A step did not get its locks and is tried again.
    Retrying { step: String, attempt: u32, pause: Duration, holders: Holders },
    /// Information that needs no action.
    Remark(String),
    /// The actions of a step, before it runs.
    Planned { step: String, actions: Vec<String> },
    /// Data that a revert will destroy.
    Loss { what: String, count: i64 },
    /// A step is done.
    Done { step: String },
    /// There was nothing to do.
    Nothing,
}

impl fmt::Display for Notice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { holder } => write!(out, "waiting: the migration lock is held by {holder}"),
            Self::Retrying { step, attempt, pause, holders } => {
                write!(out, "{step}: no lock; {holders}; attempt {attempt} follows in {pause:?}")
            }
            Self::Remark(text) => write!(out, "note: {text}"),
            Self::Planned { step, actions } => {
                write!(out, "{step}:")?;
                actions.iter().try_for_each(|action| write!(out, "\n  {action}"))
            }
            Self::Loss { what, count } => write!(out, "will be lost: {count} {what}"),
            Self::Done { step } => write!(out, "done: {step}"),
            Self::Nothing => out.write_str("nothing to do"),
        }
    }
}
