//! Avro to the same trees as JSON, so that all checks are shared.
//!
//! ```text
//! known    the schemas that single-object encoding may name
//! schema   a writer's schema, compiled once
//! datum    bytes + writer's schema → tree
//! ```
//!
//! There is no reader's schema: what is read is taken from the writer's fields by name, whatever their order; fields
//! that the writer does not have are absent, others are skipped, and any number is a double. So an event of an earlier
//! or a later schema is read as Avro's resolution would read it, and a field of a type that no version ever had ends in
//! the same checks as in JSON. `malformed` is what is no datum of its writer's schema.

mod datum;
mod known;
mod schema;

use bumpalo::Bump;

use super::message::{Message, Refusal, is_foreign};
use super::tree::{self, Field, Fields, Node, Shape};
use super::{Kind, Reason, Rejection, Skip};
use datum::Fault;
pub use schema::{SchemaError, WriterSchema};

const ONBOARDING_ENVELOPE: Shape = Shape::Object(&envelope_of(Kind::OnboardingCompleted));
const UPDATE_ENVELOPE: Shape = Shape::Object(&envelope_of(Kind::ProfileUpdated));

/// The fields of the envelope of an event of `kind`.
const fn envelope_of(kind: Kind) -> [Field; 5] {
    [
        ("eventId", Shape::Scalar),
        ("eventType", Shape::Scalar),
        ("timestamp", Shape::Scalar),
        ("correlationId", Shape::Scalar),
        ("payload", tree::payload(kind)),
    ]
}

/// Reads what follows the marker of single-object encoding: the fingerprint of the writer's schema, then the datum.
///
/// # Errors
/// As [`read`]; `malformed` also where the fingerprint is none of a known schema.
pub(super) fn read_single_object<'a>(framed: &'a [u8], kind: Kind, arena: &'a Bump) -> Result<Message<'a>, Refusal> {
    let Some((fingerprint, datum)) = framed.split_first_chunk::<8>() else {
        return Err(malformed("is Avro that ends before its schema's fingerprint does").into());
    };
    match known::by_fingerprint(u64::from_le_bytes(*fingerprint)) {
        Some(writer) => read(writer, datum, kind, arena),
        None => Err(malformed("is Avro of an unknown schema").into()),
    }
}

/// Reads a whole datum that was written with `writer`: an envelope where that has a `payload`, else a bare payload.
///
/// # Errors
/// `malformed`; skipped where an envelope is of another type of event.
pub(super) fn read<'a>(
    writer: &'a WriterSchema,
    datum: &'a [u8],
    kind: Kind,
    arena: &'a Bump,
) -> Result<Message<'a>, Refusal> {
    let is_envelope = writer.has_field("payload");
    let shape = match (is_envelope, kind) {
        (false, kind) => tree::payload(kind),
        (true, Kind::OnboardingCompleted) => ONBOARDING_ENVELOPE,
        (true, Kind::ProfileUpdated) => UPDATE_ENVELOPE,
    };
    let message = match datum::read(writer, datum, shape, arena).map_err(|fault| describe(&fault))? {
        Node::Object(fields) if is_envelope => envelope(fields)?,
        payload @ Node::Object(_) => Message {
            event_id: Node::Null,
            event_type: Node::Null,
            timestamp: Node::Null,
            correlation_id: Node::Null,
            payload,
        },
        _ => return Err(malformed("is Avro, but not a record").into()),
    };
    if is_foreign(&message.event_type, kind) {
        return Err(Refusal::Skipped(Skip::ForeignEventType));
    }
    Ok(message)
}

fn envelope(fields: Fields<'_>) -> Result<Message<'_>, Rejection> {
    let [event_id, event_type, timestamp, correlation_id, payload] =
        ["eventId", "eventType", "timestamp", "correlationId", "payload"].map(|name| *fields.get(name));
    match payload {
        Node::Object(_) => Ok(Message { event_id, event_type, timestamp, correlation_id, payload }),
        _ => Err(Rejection::new(Reason::Malformed, "payload is not an object")),
    }
}

fn describe(fault: &Fault) -> Rejection {
    malformed(&format!("is no Avro of its schema: {fault}"))
}

fn malformed(rule: &str) -> Rejection {
    Rejection::new(Reason::Malformed, format!("the value {rule}"))
}
