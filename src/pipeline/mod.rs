//! Events and current states to writes and changes.
//!
//! [`fold`](fold::fold) is the heart and pure; so are the state it reads and returns, the stored form of both, and the
//! records that say what changed.

pub mod change;
pub mod codec;
pub mod drive;
pub mod fold;
pub mod row;
pub mod segment_changed;
pub mod state;
