//! The reasons of rejections as findings: their meaning, and the remedy.

use std::borrow::Cow;

use super::found::Found;
use crate::domain::event::Reason;

/// So many records that were rejected for `reason`, or would be.
pub(crate) fn found(reason: Reason, count: u64, command: impl Into<Cow<'static, str>>) -> Found {
    let meaning = match reason {
        Reason::Empty => "records with an empty value",
        Reason::Malformed => "records that cannot be decoded",
        Reason::UnknownSchema => "records with a schema that is not known",
        Reason::MissingUser => "events without a user",
        Reason::BadUser => "events with an invalid user id",
        Reason::BadTime => "events with an invalid time",
        Reason::FutureDated => "events dated too far ahead",
        Reason::BadValue => "events with an invalid value",
        Reason::TooLarge => "records that are too large",
        Reason::UnknownUser => "events of users that are not in users",
        Reason::RejectedByDatabase => "events whose row the database refuses",
        Reason::Internal => "records on which this program failed",
    };
    let note = match reason {
        _ if is_of_producer(reason) => "correct the producer, which sends the events again",
        Reason::FutureDated => "correct the producer's clock, or raise limits.max_future first",
        Reason::TooLarge => "raise limits.max_value_bytes first",
        Reason::UnknownSchema => "register the schema or configure the registry first",
        Reason::UnknownUser => "once the users are in users",
        Reason::RejectedByDatabase => "repair the constraint or trigger first: the message names it",
        _ => "with a version that has the defect repaired",
    };
    Found { check: reason.as_str(), count, meaning, command: command.into(), note }
}

/// Whether only the producer can correct such a record: processing it once more gives the same outcome.
pub(crate) fn is_of_producer(reason: Reason) -> bool {
    match reason {
        Reason::Empty
        | Reason::Malformed
        | Reason::MissingUser
        | Reason::BadUser
        | Reason::BadTime
        | Reason::BadValue => true,
        Reason::UnknownSchema
        | Reason::FutureDated
        | Reason::TooLarge
        | Reason::UnknownUser
        | Reason::RejectedByDatabase
        | Reason::Internal => false,
    }
}
