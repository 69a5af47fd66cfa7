//! Avro to the same trees as JSON, so that both share all checks.
//!
//! ```text
//! schema   a writer's schema; the schemas known without a registry
//! datum    bytes + writer's schema, as a format of serde
//! ```
//!
//! There is no reader's schema: fields are found by their name in the writer's schema, in any order. A field that the writer
//! does not have is absent, one that is not read is skipped, and every number becomes a double. So an event of an earlier or
//! a later schema is read as Avro's schema resolution would read it, and a field of a wrong type meets the same checks as in
//! JSON. Bytes that are not a datum of the writer's schema are `malformed`.

mod datum;
mod schema;

use super::message::{Message, Refusal};
use super::tree::{self, Node};
use crate::domain::event::{Kind, Reason, Rejection};
pub use schema::WriterSchema;

/// Reads the bytes after the marker of single-object encoding: the fingerprint of the writer's schema, then the datum.
///
/// # Errors
/// As [`read`]; `malformed` also where the fingerprint is not that of a known schema.
pub(super) fn read_single_object(framed: &[u8], kind: Kind) -> Result<Message<'_>, Refusal> {
    let Some((fingerprint, datum)) = framed.split_first_chunk::<8>() else {
        return Err(malformed("the value is Avro, but ends within its schema's fingerprint").into());
    };
    match schema::by_fingerprint(u64::from_le_bytes(*fingerprint)) {
        Some(writer) => read(writer, datum, kind),
        None => Err(malformed("the value is Avro of an unknown schema").into()),
    }
}

/// Reads a whole datum that was written with `writer`: an envelope if the schema has a `payload`, else a bare payload.
///
/// # Errors
/// `malformed`; skipped where an envelope has another event type.
pub(super) fn read<'a>(writer: &'a WriterSchema, datum: &'a [u8], kind: Kind) -> Result<Message<'a>, Refusal> {
    let is_envelope = writer.has_field("payload");
    let shape = if is_envelope { tree::enveloped(kind) } else { tree::payload(kind) };
    let tree = datum::read(writer, datum, shape)
        .map_err(|fault| malformed(&format!("the value is not valid Avro of its schema: {fault}")))?;
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
