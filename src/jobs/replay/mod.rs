//! Replays input topics: their records between two fixed bounds.
//!
//! ```text
//! bound    the start or the end, as an operator gives it
//! plan     bounds → offsets of each partition, and the gaps that retention has left
//! source   the records between them, decoded, in batches
//! ```

pub mod bound;
pub mod plan;
pub mod source;
