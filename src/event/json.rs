//! JSON to trees. Lenient with what is not read, strict with what is.
//!
//! Everywhere: the value must be UTF-8 and JSON, nested at most 128 deep. In the objects that are read no key may occur
//! twice, read or not, in whatever spelling. In the fields that are read a number must fit a double and a string must be
//! Unicode. All of that is `malformed`; wrong types and values are not judged here.

use std::marker::PhantomData;

use bumpalo::Bump;
use serde::de::{DeserializeSeed, IgnoredAny};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::lenient::{Envelope, EnvelopeSeed, Expected, Payload, ShapeSeed};
use super::message::{Message, Refusal, is_foreign};
use super::tree::{self, Node, Shape};
use super::{Kind, Reason, Rejection, Skip, plain, sections};
use crate::profile::section::Section;

/// The deepest nesting of objects and lists that is accepted.
const MAX_DEPTH: usize = 128;

/// Reads a value: an envelope where it has a `payload`, else a bare payload.
///
/// # Errors
/// `malformed`; skipped where an envelope is of another type of event, whose payload is then not looked into.
pub(super) fn read<'a>(value: &'a [u8], kind: Kind, arena: &'a Bump) -> Result<Message<'a>, Refusal> {
    let text = std::str::from_utf8(value).map_err(|_| malformed("the value", "is neither UTF-8 nor known Avro"))?;
    match plain::read(text, kind, arena) {
        Some(message) => Ok(message),
        None => read_all(text, kind, arena),
    }
}

/// Reads whatever is JSON.
pub(super) fn read_all<'a>(text: &'a str, kind: Kind, arena: &'a Bump) -> Result<Message<'a>, Refusal> {
    check_depth(text.as_bytes())?;
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err(malformed("the value", "is not a JSON object").into());
    }
    let expected = Expected { event_type: kind.event_type(), payload: tree::payload(kind) };
    let envelope = match read_with(EnvelopeSeed { expected: Some(expected), arena }, text, "the value") {
        Ok(envelope) => envelope,
        // What is wrong is named the same way wherever the event's type stands.
        Err(_) => read_with(EnvelopeSeed { expected: None, arena }, text, "the value")?,
    };
    match envelope.payload {
        Some(payload) => read_envelope(&envelope, payload, kind, arena),
        None => Ok(Message {
            event_id: Node::Null,
            event_type: Node::Null,
            timestamp: Node::Null,
            correlation_id: Node::Null,
            payload: read_with(ShapeSeed { shape: tree::payload(kind), arena }, text, "the value")?,
        }),
    }
}

fn read_envelope<'a>(
    envelope: &Envelope<'a>,
    payload: Payload<'a>,
    kind: Kind,
    arena: &'a Bump,
) -> Result<Message<'a>, Refusal> {
    let is_object = match payload {
        Payload::Unread(payload) => payload.get().starts_with('{'),
        Payload::Read(payload) => matches!(payload, Node::Object(_)),
    };
    if !is_object {
        return Err(malformed("payload", "is not an object").into());
    }
    let event_id = scalar(envelope.event_id, "eventId", arena)?;
    let event_type = scalar(envelope.event_type, "eventType", arena)?;
    let timestamp = scalar(envelope.timestamp, "timestamp", arena)?;
    let correlation_id = scalar(envelope.correlation_id, "correlationId", arena)?;
    if is_foreign(&event_type, kind) {
        return Err(Refusal::Skipped(Skip::ForeignEventType));
    }
    let payload = match payload {
        Payload::Unread(payload) => {
            read_with(ShapeSeed { shape: tree::payload(kind), arena }, payload.get(), "payload")?
        }
        Payload::Read(payload) => payload,
    };
    Ok(Message { event_id, event_type, timestamp, correlation_id, payload })
}

/// The sections of a profile's `preferences`, given as a JSON object, and of a date of birth: what an event would keep.
///
/// # Errors
/// `malformed` and `bad_value`, as for an event.
pub fn decode_preferences(preferences: &str, date_of_birth: Option<&str>) -> Result<Vec<Section>, Rejection> {
    check_depth(preferences.as_bytes())?;
    read_with(PhantomData::<IgnoredAny>, preferences, "preferences")?;
    let arena = Bump::new();
    let preferences = read_with(ShapeSeed { shape: tree::PREFERENCES, arena: &arena }, preferences, "preferences")?;
    let mut sections = sections::preferences(&preferences)?;
    let date_of_birth = date_of_birth.map_or(Node::Null, Node::Text);
    sections.extend(sections::demographics(&date_of_birth)?);
    Ok(sections)
}

/// Refuses nesting over [`MAX_DEPTH`] anywhere: serde_json itself knows no limit in what it skips.
fn check_depth(text: &[u8]) -> Result<(), Rejection> {
    // Without that many openings there is no such depth; this settles nearly every record.
    if openings(text) <= MAX_DEPTH {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(malformed("the value", "is nested over 128 deep"));
        }
    }
    Ok(())
}

/// How many of the bytes are `{` or `[`, which differ in one bit. In chunks whose count fits a byte, so that the compiler
/// counts many bytes at once.
fn openings(text: &[u8]) -> usize {
    let in_chunk = |chunk: &[u8]| chunk.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    text.chunks(usize::from(u8::MAX)).map(|chunk| usize::from(in_chunk(chunk))).sum()
}

fn scalar<'a>(raw: Option<&'a RawValue>, path: &str, arena: &'a Bump) -> Result<Node<'a>, Rejection> {
    raw.map_or(Ok(Node::Null), |raw| read_with(ShapeSeed { shape: Shape::Scalar, arena }, raw.get(), path))
}

/// Reads the whole of `text` with `seed`. `path` names it in errors, whose lines and columns count from its start.
fn read_with<'a, S: DeserializeSeed<'a>>(seed: S, text: &'a str, path: &str) -> Result<S::Value, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| describe(&error, path))
}

/// Says what is wrong in our own words: serde_json's may repeat content.
fn describe(error: &serde_json::Error, path: &str) -> Rejection {
    let rule = match error.classify() {
        Category::Data => "has a key twice in one object",
        Category::Eof => "is JSON that ends too early",
        Category::Syntax | Category::Io => "is not JSON, or has a number beyond a double or an unpaired surrogate",
    };
    malformed(path, &format!("{rule}, at line {} column {}", error.line(), error.column()))
}

fn malformed(path: &str, rule: &str) -> Rejection {
    Rejection::new(Reason::Malformed, format!("{path} {rule}"))
}
