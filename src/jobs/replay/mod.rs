//! Replaying input topics: from where to where, and the records in between.

pub mod bound;
pub mod plan;
pub mod source;
