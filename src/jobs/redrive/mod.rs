//! The dead-letter topic read back: which dead letters there are, and giving them another try.
//!
//! ```text
//! index       every dead letter's coordinates → which of its repeats is the newest
//! selection   two passes over the topic: index it, then give the newest of each that the operator's filter takes
//! redrive     batches of them into the fold: a dry_run that only reads, or for good
//! tally       what became of them
//! ```
//!
//! Redriving is one more source of the same fold: input topics are never written to, since other groups read them.

mod index;
pub mod run;
pub mod selection;
pub mod tally;
