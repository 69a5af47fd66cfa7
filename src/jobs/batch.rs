//! A batch of a job.

use std::sync::Arc;

use crate::domain::event::{Event, Rejection, UserId};
use crate::ingest::record::{OriginalRecord, Rejected};
use crate::output::Refused;
use crate::store::jobs::Counts;
use crate::store::task::{PublishAbove, Rescoring, Task};

/// Some of a job's items, and the job's position after them.
#[derive(Debug)]
pub struct Batch {
    /// The part of the job that they belong to.
    pub part: Arc<str>,
    /// The part's position after them.
    pub position: String,
    /// Whether the part ends with them.
    pub done: bool,
    /// How much of the source the batch covers, in the unit of the spec's `expected`.
    pub passed: u64,
    /// The outcomes of the items that need no fold.
    pub counts: Counts,
    pub work: Work,
    /// Records that could not be decoded, if the job writes dead letters.
    pub refused: Vec<Refused>,
    /// Users with invalid data; each is counted as rejected.
    pub failures: Vec<Failure>,
}

/// A user with invalid data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub user: String,
    /// The field and the rule that it breaks, never the value.
    pub why: String,
}

/// A record of a topic that is processed.
#[derive(Debug)]
pub struct Attempt {
    pub record: OriginalRecord,
    /// Which one of this record it is, from 1.
    pub number: u32,
}

impl Attempt {
    /// The dead letter to write.
    pub fn refused(self, rejection: Rejection) -> Refused {
        Refused { rejected: Rejected { record: self.record, rejection }, attempts: self.number }
    }
}

/// The work of a batch.
#[derive(Debug)]
pub enum Work {
    /// Merge the events.
    Merge(Vec<Event>),
    /// Merge the events of records, most of which are expected to change nothing. `attempts` holds their records if the job
    /// writes dead letters for those that are rejected.
    Records {
        events: Vec<Event>,
        attempts: Vec<Attempt>,
    },
    Rescore(Vec<Rescoring>),
    PublishAbove(Vec<PublishAbove>),
    /// Publish the last published change of `again` once more (they are counted already); rescore `anew`, whose
    /// deferred change is unpublished, with immediate publishing.
    Republish {
        again: Vec<UserId>,
        anew: Vec<Rescoring>,
    },
}

impl Work {
    pub fn task(&self) -> Task<'_> {
        match self {
            Self::Merge(events) | Self::Records { events, .. } => Task::Merge(events),
            Self::PublishAbove(users) => Task::PublishAbove(users),
            Self::Rescore(rescorings) | Self::Republish { anew: rescorings, .. } => Task::Rescore(rescorings),
        }
    }

    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.task().is_empty() && !matches!(self, Self::Republish { again, .. } if !again.is_empty())
    }
}

impl Batch {
    /// The number of its items.
    pub fn items(&self) -> u64 {
        self.counts.items + self.work.task().len() as u64
    }
}
