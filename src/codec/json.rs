//! JSON to trees: lenient with the fields that are ignored, strict with those that are read.
//!
//! Everywhere: the value must be UTF-8 and JSON, nested at most 128 deep. In the objects that are read no key may occur
//! twice, read or not, in whatever spelling. In the fields that are read a number must fit a double and a string must be
//! Unicode. Everything else is `malformed`. Types and values are checked later.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, IgnoredAny};
use serde_json::error::Category;

use super::message::{Message, Refusal};
use super::sections;
use super::tree::{self, Node, Shape};
use crate::domain::event::{Kind, Reason, Rejection};
use crate::domain::section::Section;

/// The deepest nesting of objects and lists that is accepted.
const MAX_DEPTH: usize = 128;

/// Any object, to find out whether it is an envelope: that decides how its fields are read.
const ENVELOPE_AS_TEXT: Shape = Shape::Object(&tree::envelope(Shape::Unread, Shape::Unread));

/// Reads a value: an envelope where it has a `payload`, else a bare payload.
///
/// # Errors
/// `malformed`; skipped where an envelope has another event type, whose payload is then not read.
pub(super) fn read(value: &[u8], kind: Kind) -> Result<Message<'_>, Refusal> {
    let text = std::str::from_utf8(value).map_err(|_| malformed("the value", "is neither UTF-8 nor known Avro"))?;
    check_depth(text.as_bytes())?;
    // A valid envelope is read in one pass, a value without a payload in two. Any other, one with errors too, part by part.
    if let Ok(Node::Object(mut envelope)) = read_with(tree::enveloped(kind), text, "the value") {
        if !envelope.has("payload") {
            return Ok(Message::bare(read_with(tree::payload(kind), text, "the value")?));
        }
        if let payload @ Node::Object(_) = envelope.take("payload") {
            return Message::enveloped(envelope, payload).of_kind(kind);
        }
    }
    let Node::Object(envelope) = read_with(ENVELOPE_AS_TEXT, text, "the value")? else {
        return Err(malformed("the value", "is not a JSON object").into());
    };
    let &Node::Unread(payload) = envelope.get("payload") else {
        return Ok(Message::bare(read_with(tree::payload(kind), text, "the value")?));
    };
    if !payload.starts_with('{') {
        return Err(malformed("payload", "is not an object").into());
    }
    let scalar = |name| match envelope.get(name) {
        &Node::Unread(text) => read_with(Shape::Scalar, text, name),
        _ => Ok(Node::Null),
    };
    let message = Message {
        event_id: scalar("eventId")?,
        event_type: scalar("eventType")?,
        timestamp: scalar("timestamp")?,
        correlation_id: scalar("correlationId")?,
        payload: Node::Null,
    }
    .of_kind(kind)?;
    Ok(Message { payload: read_with(tree::payload(kind), payload, "payload")?, ..message })
}

/// The sections of a profile's `preferences`, a JSON object, and of a date of birth, as decoding an event would give them.
///
/// # Errors
/// `malformed` and `bad_value`, as for an event.
pub(crate) fn decode_preferences(preferences: &str, date_of_birth: Option<&str>) -> Result<Vec<Section>, Rejection> {
    check_depth(preferences.as_bytes())?;
    read_with(PhantomData::<IgnoredAny>, preferences, "preferences")?;
    let preferences = read_with(tree::PREFERENCES, preferences, "preferences")?;
    let mut sections = sections::preferences(&preferences)?;
    let date_of_birth = date_of_birth.map_or(Node::Null, |text| Node::Text(Cow::Borrowed(text)));
    sections.extend(sections::demographics(&date_of_birth)?);
    Ok(sections)
}

/// Refuses nesting over [`MAX_DEPTH`] anywhere: serde_json has no limit in values that it skips.
fn check_depth(text: &[u8]) -> Result<(), Rejection> {
    // Fewer openings cannot reach that depth; nearly every record ends here.
    let openings = |part: &[u8]| part.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>();
    if text.chunks(255).map(|part| usize::from(openings(part))).sum::<usize>() <= MAX_DEPTH {
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

/// Reads the whole of `text` with `seed`. `path` names it in errors, whose lines and columns count from its start.
pub(super) fn read_with<'a, S: DeserializeSeed<'a>>(seed: S, text: &'a str, path: &str) -> Result<S::Value, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| describe(&error, path))
}

/// The error in our own words: serde_json's may quote content.
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
