//! Bytes to domain and back: input records, stored states, segment-changed. Pure.
//!
//! [`decode`](decode()) is total; every record is an [`Event`], [`Skipped`](Decoded::Skipped) or
//! [`Rejected`](Decoded::Rejected).
//!
//! ```text
//! decode           the order of the checks; the first that fails names the outcome
//!   json           bytes → message: syntax, depth
//!   avro           bytes + writer's schema → message
//!   lenient        which fields of either encoding are read, and duplicate keys
//!   message        an event as it was written
//!   tree           the fields that are read, as a small borrowed tree, and their shapes
//!   user, time     whose event it is and when it happened
//!   sections       tree → the sections of a profile: types and ranges
//! framed           which schema a value names, where a registry has it
//! json_schema      the JSON Schema of the input events
//! stored           states and outbox rows ↔ bytes
//! segment_changed  a ranking change → the record on segment-changed
//! ```

pub mod avro;
mod decode;
pub mod framed;
pub mod json;
mod json_schema;
mod lenient;
mod message;
mod sections;
pub mod segment_changed;
pub mod stored;
pub mod time;
mod traceparent;
mod tree;
mod user;

pub use decode::{decode, decode_datum};
pub use json_schema::json_schema;

use crate::domain::event::{Event, Kind, Rejection, Skip};

/// A record as it lies in a topic.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    pub kind: Kind,
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Milliseconds since the Unix epoch; `None` or negative where the record has none.
    pub timestamp: Option<i64>,
    pub traceparent: Option<&'a [u8]>,
}

/// Limits that the configuration sets on a record.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest value, in bytes.
    pub max_value_bytes: usize,
    /// How far an event may be dated after its own record, in milliseconds.
    pub max_future_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_value_bytes: 1024 * 1024, max_future_ms: 5 * 60 * 1000 }
    }
}

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    Event(Event),
    Skipped(Skip),
    Rejected(Rejection),
}
