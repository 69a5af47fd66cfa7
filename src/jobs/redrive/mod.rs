//! Reads the dead-letter topic, and processes dead letters once more.
//!
//! ```text
//! selection   two passes over the topic: index it, then yield each record's newest dead letter that the filter selects
//! index       the newest of several dead letters of one record
//! run         batches of dead letters into the fold, or into a dry run that only reads
//! tally       their outcomes, one by one and counted
//! ```
//!
//! Redriving is one more source of the same fold. The input topics are never written to, because other groups read
//! them.

mod index;
pub mod run;
pub mod selection;
pub mod tally;
