//! Avro to the same trees as JSON, so that all checks are shared.
//!
//! ```text
//! schema   a writer's schema; those that single-object encoding may name
//! datum    bytes + writer's schema, as a format of serde
//! ```
//!
//! There is no reader's schema: what is read is taken from the writer's fields by name, whatever their order; fields
//! that the writer does not have are absent, others are skipped, and any number is a double. So an event of an earlier
//! or a later schema is read as Avro's resolution would read it, and a field of a type that no version ever had ends in
//! the same checks as in JSON. `malformed` is what is no datum of its writer's schema.

mod datum;
mod schema;

use super::message::{Message, Refusal};
use super::tree::{self, Node};
use crate::domain::event::{Kind, Reason, Rejection};
pub use schema::{SchemaError, WriterSchema};

/// Reads what follows the marker of single-object encoding: the fingerprint of the writer's schema, then the datum.
///
/// # Errors
/// As [`read`]; `malformed` also where the fingerprint is none of a known schema.
pub(super) fn read_single_object(framed: &[u8], kind: Kind) -> Result<Message<'_>, Refusal> {
    let Some((fingerprint, datum)) = framed.split_first_chunk::<8>() else {
        return Err(malformed("the value is Avro that ends before its schema's fingerprint does").into());
    };
    match schema::by_fingerprint(u64::from_le_bytes(*fingerprint)) {
        Some(writer) => read(writer, datum, kind),
        None => Err(malformed("the value is Avro of an unknown schema").into()),
    }
}

/// Reads a whole datum that was written with `writer`: an envelope where that has a `payload`, else a bare payload.
///
/// # Errors
/// `malformed`; skipped where an envelope is of another type of event.
pub(super) fn read<'a>(writer: &'a WriterSchema, datum: &'a [u8], kind: Kind) -> Result<Message<'a>, Refusal> {
    let is_envelope = writer.has_field("payload");
    let shape = if is_envelope { tree::enveloped(kind) } else { tree::payload(kind) };
    let tree = datum::read(writer, datum, shape)
        .map_err(|fault| malformed(&format!("the value is no Avro of its schema: {fault}")))?;
    let Node::Object(mut fields) = tree else {
        return Err(malformed("the value is Avro, but not a record").into());
    };
    if !is_envelope {
        return Ok(Message::bare(Node::Object(fields)));
    }
    match fields.take("payload") {
        payload @ Node::Object(_) => Message::enveloped(fields, payload).of_kind(kind),
        _ => Err(malformed("payload is not an object").into()),
    }
}

fn malformed(detail: &str) -> Rejection {
    Rejection::new(Reason::Malformed, detail)
}
