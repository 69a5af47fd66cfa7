//! An event, which is a decoded input record: user, stamp, body and cause. Also the reasons for which a record is none.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::section::Section;

/// Milliseconds since the Unix epoch, between 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

/// A user's id: 1 to 191 code points, without NUL, never trimmed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Box<str>")]
pub struct UserId(Arc<str>);

impl UserId {
    /// The most code points an id may have: the length of an upstream `VARCHAR(191)`.
    pub(crate) const MAX_CODE_POINTS: usize = 191;

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

/// Orders two writes of one register: by time, then by event id (bytewise), then by decoder version. (Writes with equal
/// stamps are ordered by the content's hash, see [`super::profile`].)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    pub time: Millis,
    pub id: Arc<str>,
    pub decoder: u16,
}

/// The version of this decoder, kept with every stamp: if a newer decoder reads the same event differently, its reading wins.
pub(crate) const DECODER_VERSION: u16 = 1;

/// The topic's kind; it decides how a record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    OnboardingCompleted,
    ProfileUpdated,
}

impl Kind {
    /// The kinds of both input topics.
    pub const ALL: [Self; 2] = [Self::OnboardingCompleted, Self::ProfileUpdated];

    /// The `eventType` of an envelope of this kind.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::OnboardingCompleted => "user.onboarding.completed",
            Self::ProfileUpdated => "user.profile.updated",
        }
    }
}

/// The effect of an event on its user's profile.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Writes each section carried and marks the user as onboarded.
    Onboarding(Vec<Section>),
    /// Writes each section carried; never empty.
    Update(Vec<Section>),
    /// Erases everything stamped at or before the event's time.
    Tombstone,
}

/// The origin of an event, for tracing. Merging ignores it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause {
    /// The event's id; for a payload without an envelope the record's coordinates, `topic/partition/offset`.
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

/// Why a well-formed record has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The envelope's `eventType` is not the topic's.
    ForeignEventType,
    /// `isOnboardingCompleted` is false.
    NotCompleted,
    /// A profile update that carries none of the fields that are kept.
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

/// Why a record is dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// A defect of this program.
    Internal,
}

impl Reason {
    pub const ALL: [Self; 12] = [
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
        Self::Internal,
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
            Self::Internal => "internal",
        }
    }
}

/// Why a record cannot be applied. `detail` names the place and the rule, never a value: it goes into headers and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    pub detail: String,
}

impl Rejection {
    /// `detail` must not contain any of the record's content.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// The user is not in the platform's table `users`.
    pub fn unknown_user() -> Self {
        Self::new(Reason::UnknownUser, "there is no such row in users")
    }

    /// The database refuses the event permanently; `detail` names SQLSTATE and constraint.
    pub(crate) fn by_database(detail: String) -> Self {
        Self::new(Reason::RejectedByDatabase, detail)
    }

    /// A defect of this program that the record triggers.
    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(Reason::Internal, detail)
    }

    /// A field at `path` that breaks `rule`.
    pub fn bad_value(path: &str, rule: &str) -> Self {
        Self::new(Reason::BadValue, format!("{path}: {rule}"))
    }
}
