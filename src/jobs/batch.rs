//! A batch of a job.

use std::sync::Arc;

use serde::Serialize;

use crate::domain::event::{Event, UserId};
use crate::ingest::record::OriginalRecord;
use crate::output::Refused;
use crate::store::jobs::Counts;
use crate::store::task::{Rescoring, Task};

/// Some of a job's items, and where the job is after them.
#[derive(Debug)]
pub struct Batch {
    /// Which part of the job they are of.
    pub part: Arc<str>,
    /// After them.
    pub position: String,
    /// Whether the part ends with them.
    pub done: bool,
    /// How much of the source it passes, in what the spec's `expected` counts.
    pub passed: u64,
    /// Those that need no fold.
    pub counts: Counts,
    pub work: Work,
    /// Those that could not be decoded, where they are to become dead letters.
    pub refused: Vec<Refused>,
    /// Users whose data break a rule; each is counted as rejected.
    pub failures: Vec<Failure>,
}

/// A user whose data break a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub user: String,
    /// Field and rule, never a value.
    pub why: String,
}

/// What is to be done.
#[derive(Debug)]
pub enum Work {
    /// Merge the events. Their records are kept where those that the database rejects are to become dead letters.
    Merge {
        events: Vec<Event>,
        records: Vec<OriginalRecord>,
    },
    Rescore(Vec<Rescoring>),
    /// Say what was published last of some, who are counted already, and score those anew, aloud, of whom a publishing is owed.
    Republish {
        again: Vec<UserId>,
        anew: Vec<Rescoring>,
    },
}

impl Work {
    pub fn task(&self) -> Task<'_> {
        match self {
            Self::Merge { events, .. } => Task::Merge(events),
            Self::Rescore(rescorings) | Self::Republish { anew: rescorings, .. } => Task::Rescore(rescorings),
        }
    }
}

impl Batch {
    /// How many items it has.
    pub fn items(&self) -> u64 {
        self.counts.items + self.work.task().len() as u64
    }
}
