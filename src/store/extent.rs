//! How much a fold reads and writes, which decides how.

/// From how many states on they count as many. Looking for a state where it lay saves PostgreSQL some microseconds, and
/// some thirty states make up for what the larger statement costs to begin with: with twice as many there is something
/// to gain, and the few states of a quiet topic go the way that rests on no plan.
const MANY: usize = 64;

/// Whether a fold reads or writes few states or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Few,
    Many,
}

impl Extent {
    pub fn of(states: usize) -> Self {
        if states < MANY { Self::Few } else { Self::Many }
    }
}
