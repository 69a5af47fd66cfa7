//! The start table: at which offset a partition starts, by the answers of coordinator, brokers and database. Pure.

use crate::config::{InitialOffset, OutOfRange};
use crate::kafka::committed::Committed;
use crate::store::history::History;
use crate::store::positions::{PositionRow, StoredPosition};

/// The facts about a partition before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The group's committed offset.
    pub committed: Option<Committed>,
    pub row: PositionRow,
    /// The server that answered.
    pub present: History,
    /// The partition's first offset and its end.
    pub low: i64,
    pub high: i64,
    /// Whether the partition was read by this process and has to start anew, since the database may have lost what it applied.
    pub rewinds: bool,
}

/// How a partition starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub at: i64,
    /// Whether users are published even where nothing changes, up to the partition's present end.
    pub repairs: bool,
    /// The position to store before the first commit; `None` where the stored one stays.
    pub position: Option<StoredPosition>,
    /// The problem that the out-of-range policy has answered.
    pub skipped: Option<OutOfRangeCause>,
}

/// Why a partition cannot go on from where the group was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutOfRangeCause {
    #[error(
        "the group has committed offset {committed}, and the database has no position: it is empty, or another one"
    )]
    NoPosition { committed: i64 },
    #[error("the topic was deleted and created anew since offset {committed} was committed")]
    Recreated { committed: i64 },
    #[error("Kafka lost records that the database has applied: offset {offset} is past the partition's end {high}")]
    PastEnd { offset: i64, high: i64 },
    #[error(
        "{} records were deleted before they were read: offset {offset} is before the partition's first, {low}. `segmenter \
         backfill` finds the users that the database has profiles of",
        low - offset
    )]
    Deleted { offset: i64, low: i64 },
}

impl OutOfRangeCause {
    /// The offset that cannot be read from.
    pub fn offset(self) -> i64 {
        match self {
            Self::NoPosition { committed } | Self::Recreated { committed } => committed,
            Self::PastEnd { offset, .. } | Self::Deleted { offset, .. } => offset,
        }
    }
}

/// Where reading goes on, before the partition's own range is looked at.
enum Candidate {
    At { offset: i64, repairs: bool },
    Initial(InitialOffset),
    OutOfRange(OutOfRangeCause),
}

impl Facts {
    /// The start of the partition.
    ///
    /// # Errors
    /// The out-of-range policy is `stop`, and this is why an operator has to decide.
    pub fn start(&self, initial: InitialOffset, policy: OutOfRange) -> Result<Start, OutOfRangeCause> {
        match self.candidate(initial) {
            Candidate::Initial(InitialOffset::Earliest) => Ok(self.afresh(self.low)),
            Candidate::Initial(InitialOffset::Latest) => Ok(self.afresh(self.high)),
            Candidate::OutOfRange(cause) => self.by_policy(policy, cause),
            Candidate::At { offset, .. } if offset < self.low => {
                self.by_policy(policy, OutOfRangeCause::Deleted { offset, low: self.low })
            }
            Candidate::At { offset, .. } if offset > self.high => {
                self.by_policy(policy, OutOfRangeCause::PastEnd { offset, high: self.high })
            }
            Candidate::At { offset, repairs } => {
                Ok(Start { at: offset, repairs, position: self.position(offset, repairs), skipped: None })
            }
        }
    }

    fn candidate(&self, initial: InitialOffset) -> Candidate {
        let stored = self.stored();
        if let Some(stored) = stored.filter(|stored| stored.next_offset > self.high) {
            return Candidate::OutOfRange(OutOfRangeCause::PastEnd { offset: stored.next_offset, high: self.high });
        }
        match (self.committed, stored) {
            (Some(Committed::OfAnotherTopic { offset }), _) => {
                Candidate::OutOfRange(OutOfRangeCause::Recreated { committed: offset })
            }
            (Some(Committed::Ours { offset, .. }), Some(stored)) => Candidate::At {
                // Not below it either: what is read again there could be published by a server whose successor, with this same
                // position, would not read it.
                offset: stored.next_offset,
                // Only confirmed positions are committed: a lower one proves a loss, also in the present history (`pg_restore`).
                repairs: self.repairs(stored) || stored.next_offset < offset,
            },
            (Some(Committed::Ours { offset, .. }), None) => {
                Candidate::OutOfRange(OutOfRangeCause::NoPosition { committed: offset })
            }
            (Some(Committed::Foreign { offset }), stored) => {
                Candidate::At { offset, repairs: stored.is_some_and(|stored| self.repairs(stored)) }
            }
            (None, Some(stored)) => Candidate::At { offset: stored.next_offset, repairs: self.repairs(stored) },
            (None, None) if self.row == PositionRow::Added => Candidate::Initial(InitialOffset::Earliest),
            (None, None) => Candidate::Initial(initial),
        }
    }

    fn stored(&self) -> Option<StoredPosition> {
        match self.row {
            PositionRow::Stored(stored) => Some(stored),
            PositionRow::Added | PositionRow::NeverStarted => None,
        }
    }

    fn repairs(&self, stored: StoredPosition) -> bool {
        self.rewinds || stored.history != Some(self.present)
    }

    /// The position to store for a start at `offset`.
    fn position(&self, offset: i64, repairs: bool) -> Option<StoredPosition> {
        let wanted = StoredPosition { next_offset: offset, history: (!repairs).then_some(self.present) };
        (self.row != PositionRow::Stored(wanted)).then_some(wanted)
    }

    /// A start that nothing applied precedes.
    fn afresh(&self, at: i64) -> Start {
        Start { at, repairs: false, position: self.position(at, false), skipped: None }
    }

    fn by_policy(&self, policy: OutOfRange, cause: OutOfRangeCause) -> Result<Start, OutOfRangeCause> {
        let at = match policy {
            OutOfRange::Stop => return Err(cause),
            OutOfRange::Earliest => self.low,
            OutOfRange::Latest => self.high,
        };
        let repairs = match (cause, self.stored()) {
            // Whatever was published from the database that is gone is on the topic.
            (OutOfRangeCause::NoPosition { .. }, _) => true,
            (_, stored) => stored.is_some_and(|stored| self.repairs(stored)),
        };
        Ok(Start { at, repairs, position: self.position(at, repairs), skipped: Some(cause) })
    }
}
