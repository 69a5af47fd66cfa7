//! Bytes to domain and back: input records, stored states, segment-changed. Pure.
//!
//! [`decode`](decode()) is total; every record is an [`Event`], [`Skipped`](Decoded::Skipped) or
//! [`Rejected`](Decoded::Rejected).
//!
//! ```text
//! decode           the checks in their order; the first that fails decides the outcome
//!   json           bytes → message: syntax, depth
//!   avro           bytes + writer's schema → message
//!   lenient        which fields of either encoding are read, and duplicate keys
//!   message        an event as it was written, not checked yet
//!   tree           the fields that are read, as a small borrowed tree, and their shapes
//!   traceparent    the W3C trace context of a record
//!   user, time     the user and the time of an event
//!   sections       tree → the sections of a profile: types and ranges
//! columns          the columns of a stored onboarding profile → sections
//! framed           the registered schema that a value or its header names
//! json_schema      the JSON Schema of the input events
//! stored           states and outbox rows ↔ bytes
//! segment_changed  a ranking change → the record on segment-changed
//! ```

pub mod avro;
pub mod columns;
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
pub(crate) mod traceparent;
mod tree;
mod user;

pub use decode::{decode, decode_datum};
pub use json_schema::json_schema;

use crate::domain::event::{Event, Kind, Rejection, Skip};

/// A record of an input topic.
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

/// The configured limits of a record.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest value, in bytes.
    pub max_value_bytes: usize,
    /// The most milliseconds by which an event's time may be later than its record's.
    pub max_future_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_value_bytes: 1024 * 1024, max_future_ms: 5 * 60 * 1000 }
    }
}

/// The result of decoding a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    Event(Event),
    Skipped(Skip),
    Rejected(Rejection),
}
