//! TODO

pub mod erase;
pub mod explain;
pub mod explain_lines;
pub mod tombstone;
