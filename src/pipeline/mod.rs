//! Events and current states to writes and changes.
//!
//! [`fold`](fold::fold) is the heart and pure; so are the state it reads and returns, the stored form of both, and the
//! records that say what changed.

mod assignment;
pub mod change;
pub mod codec;
pub mod drive;
pub mod fold;
mod json_text;
pub mod kept_announcement;
pub mod name_id;
pub mod row;
pub mod segment_changed;
pub mod state;
