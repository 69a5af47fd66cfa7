//! The position of one partition that is being read: confirmed by the database, claimed next, lost. Pure: plain values, tested
//! under random schedules together with the start table.

use crate::store::history::{Histories, History};
use crate::store::positions::{Answer, Claim, PartitionKey};

/// Where a partition starts to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    pub key: PartitionKey,
    /// The first offset to read, and the stored position.
    pub at: i64,
    /// Where the stored position was read.
    pub history: History,
    /// The exclusive end of the repair range: users that are met before it are published even where nothing changes.
    pub repair_until: Option<i64>,
    /// The group's committed offset, if this service committed it.
    pub committed: Option<i64>,
}

/// The position of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    key: PartitionKey,
    confirmed: i64,
    /// Where `confirmed` was read or written, and where the claimed records after it were applied. The former belongs to it:
    /// a process that had the partition before, and does not know yet that it has lost it, may have applied and published what
    /// the present server has never seen.
    histories: Histories,
    repair_until: Option<i64>,
}

/// The database has lost, or may have lost, what was applied after an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    pub confirmed: i64,
    pub stored: i64,
    /// Whether the process itself had nothing to lose: it applied nothing after `confirmed`, which the database still has.
    pub is_idle: bool,
}

impl Position {
    pub fn new(started: &Started) -> Self {
        Self {
            key: started.key,
            confirmed: started.at,
            histories: Histories::One(started.history),
            repair_until: started.repair_until,
        }
    }

    /// The offset that may be committed: the database has every record before it.
    pub fn confirmed(&self) -> i64 {
        self.confirmed
    }

    pub fn key(&self) -> PartitionKey {
        self.key
    }

    /// The exclusive end of the repair range, until it is passed.
    pub fn repair_until(&self) -> Option<i64> {
        self.repair_until
    }

    /// Whether a record at this offset is in the repair range.
    pub fn is_in_repair(&self, offset: i64) -> bool {
        self.repair_until.is_some_and(|until| offset < until)
    }

    /// Claims the finished prefix, whose records since the last claim were applied in `ran_in`. Without an answer the next claim
    /// covers this one.
    pub fn claim(&mut self, committable: Option<i64>, ran_in: Histories) -> Claim {
        self.histories = self.histories.and(ran_in);
        let next_offset = committable.unwrap_or(self.confirmed).max(self.confirmed);
        Claim {
            key: self.key,
            confirmed: self.confirmed,
            next_offset,
            ran_in: self.histories,
            repairs: self.repair_until.is_some_and(|until| next_offset < until),
        }
    }

    /// Takes the answer to the last claim.
    ///
    /// # Errors
    /// The partition has to be started anew, from the stored offset.
    pub fn answer(&mut self, claim: &Claim, answer: Answer) -> Result<(), Loss> {
        match answer {
            Answer::Raised => {
                self.confirmed = claim.next_offset;
                self.repair_until = self.repair_until.filter(|_| claim.repairs);
                Ok(())
            }
            Answer::Lost { stored } => {
                let is_idle = stored >= self.confirmed && claim.next_offset == self.confirmed;
                Err(Loss { confirmed: self.confirmed, stored, is_idle })
            }
        }
    }
}
