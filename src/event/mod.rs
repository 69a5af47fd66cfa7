//! Kafka records to events: what a record means, decided from its bytes alone.
//!
//! Pure, but for the registry: no clock, no I/O. [`decode`](decode()) is total; every record is an [`Event`],
//! [`Skipped`](Decoded::Skipped) or [`Rejected`](Decoded::Rejected).
//!
//! ```text
//! decode        the order of the checks; the first that fails names the outcome
//!   json        bytes → message: syntax, depth
//!   lenient     what is read of either encoding, and duplicates
//!   avro        bytes + writer's schema → message
//!   message     an event as it was written
//!   tree        the fields that are read, as a small borrowed tree, and their shapes
//!   user, time  whose event it is and when it happened
//!   sections    tree → the sections of a profile: types and ranges
//! framed        which schema a value names, where a registry has it
//! registry      the edge: schemas of a registry, asked for over HTTP and kept
//! ```

pub mod avro;
mod decode;
pub mod framed;
pub mod json;
mod json_schema;
mod lenient;
mod message;
mod millis;
pub mod registry;
mod sections;
pub mod time;
mod traceparent;
mod tree;
mod user;

use std::fmt;
use std::sync::Arc;

pub use avro::WriterSchema;
pub use decode::{decode, decode_datum};
pub use json_schema::json_schema;
use serde::{Deserialize, Serialize};

use crate::profile::section::Section;

/// Milliseconds since the Unix epoch, between 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

/// A user's id: 1 to 191 code points, without NUL, never trimmed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Box<str>")]
pub struct UserId(Arc<str>);

impl UserId {
    /// The most code points an id may have: what an upstream `VARCHAR(191)` holds.
    pub const MAX_CODE_POINTS: usize = 191;

    /// `None` when `raw` is empty, too long or contains NUL.
    pub fn new(raw: &str) -> Option<Self> {
        let valid = !raw.is_empty() && raw.chars().count() <= Self::MAX_CODE_POINTS && !raw.contains('\0');
        valid.then(|| Self(raw.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Box<str>> for UserId {
    type Error = &'static str;

    fn try_from(raw: Box<str>) -> Result<Self, Self::Error> {
        Self::new(&raw).ok_or("not a user's id")
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What decides between two writes of one register: the later time, then the greater event id (bytewise), then the newer
/// decoder. (What is left after that is decided by the content's hash, see [`crate::profile`].)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    pub time: Millis,
    pub id: Arc<str>,
    pub decoder: u16,
}

/// The version of this decoder, kept with every stamp: where a newer one reads the same event differently, it wins.
pub const DECODER_VERSION: u16 = 1;

/// The topic's kind; it decides how a record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    OnboardingCompleted,
    ProfileUpdated,
}

impl Kind {
    /// The `eventType` of an envelope of this kind.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::OnboardingCompleted => "user.onboarding.completed",
            Self::ProfileUpdated => "user.profile.updated",
        }
    }
}

/// What an event does to the profile of its user.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Writes each section carried, and that the user is onboarded.
    Onboarding(Vec<Section>),
    /// Writes each section carried; never empty.
    Update(Vec<Section>),
    /// Erases everything stamped at or before the event's time.
    Tombstone,
}

/// Where an event came from, for those who trace it; none of it takes part in merging.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause {
    /// The event's id; for a payload without an envelope its coordinates, `topic/partition/offset`.
    pub causation_id: Option<Arc<str>>,
    pub correlation_id: Option<Arc<str>>,
    /// W3C trace context, kept only if well-formed.
    pub traceparent: Option<Arc<str>>,
}

/// One accepted event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub user: UserId,
    pub stamp: Stamp,
    pub body: Body,
    pub cause: Cause,
    /// The record's key names another user. Accepted (merging does not depend on the partition), but counted.
    pub key_differs: bool,
}

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

/// Why a well-formed record has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The envelope's `eventType` is not the topic's.
    ForeignEventType,
    /// `isOnboardingCompleted` is false.
    NotCompleted,
    /// A profile update without anything that is kept.
    NothingCarried,
}

impl Skip {
    pub const ALL: [Self; 3] = [Self::ForeignEventType, Self::NotCompleted, Self::NothingCarried];

    /// The stable name used in metrics and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForeignEventType => "foreign_event_type",
            Self::NotCompleted => "not_completed",
            Self::NothingCarried => "nothing_carried",
        }
    }
}

/// Why a record goes to the dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    Empty,
    Malformed,
    UnknownSchema,
    MissingUser,
    BadUser,
    BadTime,
    FutureDated,
    BadValue,
    TooLarge,
    UnknownUser,
    RejectedByDatabase,
}

impl Reason {
    pub const ALL: [Self; 11] = [
        Self::Empty,
        Self::Malformed,
        Self::UnknownSchema,
        Self::MissingUser,
        Self::BadUser,
        Self::BadTime,
        Self::FutureDated,
        Self::BadValue,
        Self::TooLarge,
        Self::UnknownUser,
        Self::RejectedByDatabase,
    ];

    /// The stable code, as in the header `segmenter.reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Malformed => "malformed",
            Self::UnknownSchema => "unknown_schema",
            Self::MissingUser => "missing_user",
            Self::BadUser => "bad_user",
            Self::BadTime => "bad_time",
            Self::FutureDated => "future_dated",
            Self::BadValue => "bad_value",
            Self::TooLarge => "too_large",
            Self::UnknownUser => "unknown_user",
            Self::RejectedByDatabase => "rejected_by_database",
        }
    }
}

/// A record that cannot be applied. `detail` names the place and the rule, never a value: it goes into headers and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    pub detail: String,
}

impl Rejection {
    /// `detail` must not contain anything of the record's content.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// A field at `path` that breaks `rule`.
    fn bad_value(path: &str, rule: &str) -> Self {
        Self::new(Reason::BadValue, format!("{path}: {rule}"))
    }
}

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    Event(Event),
    Skipped(Skip),
    Rejected(Rejection),
}
