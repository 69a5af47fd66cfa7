//! A partition of an input topic.

use crate::domain::event::Kind;

/// One partition of one of the two input topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition {
    pub kind: Kind,
    pub number: i32,
}
