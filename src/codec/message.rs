//! An event as it was written, in any encoding, before its fields are checked.

use super::tree::{Fields, Node};
use crate::domain::event::{Kind, Rejection, Skip};

/// The longest event id and the longest correlation id, in bytes.
const MAX_ID_BYTES: usize = 255;

/// The fields that are read of a record's value. Without an envelope, its fields are null.
#[derive(Debug, PartialEq)]
pub(super) struct Message<'a> {
    pub event_id: Node<'a>,
    pub event_type: Node<'a>,
    pub timestamp: Node<'a>,
    pub correlation_id: Node<'a>,
    pub payload: Node<'a>,
}

/// Why a record gives no event.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    Skipped(Skip),
    Rejected(Rejection),
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl<'a> Message<'a> {
    /// A payload without an envelope.
    pub fn bare(payload: Node<'a>) -> Self {
        let (event_id, event_type, timestamp, correlation_id) = (Node::Null, Node::Null, Node::Null, Node::Null);
        Self { event_id, event_type, timestamp, correlation_id, payload }
    }

    /// A payload in an envelope of these fields.
    pub fn enveloped(mut envelope: Fields<'a>, payload: Node<'a>) -> Self {
        let mut field = |name| envelope.take(name);
        Self {
            event_id: field("eventId"),
            event_type: field("eventType"),
            timestamp: field("timestamp"),
            correlation_id: field("correlationId"),
            payload,
        }
    }

    /// The message, unless its event type names another kind of event. A type that is no string is an error of
    /// [`check_event_type`](Self::check_event_type), not of this check.
    ///
    /// # Errors
    /// Skipped: an event of another type.
    pub fn of_kind(self, kind: Kind) -> Result<Self, Refusal> {
        match &self.event_type {
            Node::Text(text) if *text != kind.event_type() => Err(Refusal::Skipped(Skip::ForeignEventType)),
            _ => Ok(self),
        }
    }

    /// The event's id, empty where it has none.
    ///
    /// # Errors
    /// `bad_value` where it is no string or too long.
    pub fn event_id(&self) -> Result<&str, Rejection> {
        match &self.event_id {
            Node::Null => Ok(""),
            Node::Text(id) if id.len() <= MAX_ID_BYTES => Ok(id),
            _ => Err(Rejection::bad_value("eventId", "must be a string of at most 255 bytes")),
        }
    }

    /// The correlation id, if it can be carried through. An empty one, one longer than 255 bytes and one with control
    /// characters are dropped.
    ///
    /// # Errors
    /// `bad_value` where it is no string.
    pub fn correlation_id(&self) -> Result<Option<&str>, Rejection> {
        match &self.correlation_id {
            Node::Null => Ok(None),
            Node::Text(id) => {
                let carried = !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.contains(char::is_control);
                Ok(carried.then_some(&**id))
            }
            _ => Err(Rejection::bad_value("correlationId", "must be a string")),
        }
    }

    /// Checks that the event's type, if there is one, is a string.
    ///
    /// # Errors
    /// `bad_value` where it is not.
    pub(crate) fn check_event_type(&self) -> Result<(), Rejection> {
        match self.event_type {
            Node::Null | Node::Text(_) => Ok(()),
            _ => Err(Rejection::bad_value("eventType", "must be a string")),
        }
    }
}
