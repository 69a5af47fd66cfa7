//! One user: the report that explains the segments, and the erasure.
//!
//! ```text
//! explain         profile → report: dimensions, scores, ranking, reasons
//! explain_lines   profiles on standard input → one explanation per line
//! erase           the steps of an erasure: the fold, segment-changed, the input topics
//! tombstone       produces a tombstone to both input topics
//! ```

pub mod erase;
pub mod explain;
pub mod explain_lines;
pub mod tombstone;
