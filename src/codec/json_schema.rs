//! The JSON Schema of the two JSON events, made from the shapes that decoding uses.
//!
//! Only decoding (`segmenter check-events`) checks the rules that a schema cannot express: `min` is at most `max`, a date
//! exists, an event is not dated ahead of its record.

use serde_json::{Map, Value, json};

use super::tree::{self, Shape};
use crate::domain::event::Kind;

/// The schema (draft 2020-12) of the events of `kind`, in the envelope or bare.
pub fn json_schema(kind: Kind) -> Value {
    let (page, time_field) = match kind {
        Kind::OnboardingCompleted => ("onboarding-completed", "completedAt"),
        Kind::ProfileUpdated => ("profile-updated", "updatedAt"),
    };
    let comment =
        format!("Made by `segmenter schema print {page} > schemas/json/{page}.schema.json`; a test keeps it so.");
    let description = format!(
        "Bare, or in the envelope. `{time_field}` is the event's time; without it the envelope's timestamp is."
    );
    let payload = json!({
        "description": description,
        "allOf": [{"type": "object"}, of_shape("payload", tree::payload(kind))],
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": comment,
        "title": page,
        "type": "object",
        "if": {"required": ["payload"]},
        "then": {"$ref": "#/$defs/envelope"},
        "else": {"$ref": "#/$defs/payload"},
        "$defs": {
            "envelope": {
                "type": "object",
                "required": ["payload"],
                "properties": {
                    "eventId": {"type": ["string", "null"], "maxLength": 255},
                    "eventType": {"enum": [kind.event_type(), null]},
                    "timestamp": {"description": "RFC 3339; checked only where the payload has no time of its own."},
                    "correlationId": {"type": ["string", "null"]},
                    "payload": {"$ref": "#/$defs/payload"},
                },
            },
            "payload": payload,
        },
    })
}

/// RFC 3339 with an offset.
fn time() -> Value {
    json!({"type": ["string", "null"], "format": "date-time",
        "pattern": r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$"})
}

fn of_shape(name: &str, shape: Shape) -> Value {
    match shape {
        Shape::Scalar | Shape::Unread => scalar(name),
        Shape::List => list(name),
        Shape::Presence => json!({"type": ["object", "null"], "description": "Only its presence counts."}),
        Shape::Object(fields) => {
            let properties: Map<String, Value> =
                fields.iter().map(|(name, shape)| ((*name).to_owned(), of_shape(name, *shape))).collect();
            let required: &[&str] = if name == "globalRange" { &["min", "max"] } else { &[] };
            json!({"type": ["object", "null"], "properties": properties, "required": required})
        }
    }
}

fn scalar(name: &str) -> Value {
    match name {
        "userId" => json!({"type": ["string", "null"], "minLength": 1, "maxLength": 191, "pattern": r"^[^\u0000]*$"}),
        "completedAt" | "updatedAt" => time(),
        "isOnboardingCompleted" | "travelWithChildren" => json!({"type": ["boolean", "null"]}),
        "completeness" => json!({"type": ["number", "null"], "minimum": 0, "maximum": 100}),
        "min" | "max" => json!({"type": "number", "minimum": 0}),
        "dateOfBirth" => json!({"type": ["string", "null"], "pattern": r"^\d{4}-\d{2}-\d{2}"}),
        _ => json!({"type": ["string", "null"], "pattern": r"^[^\u0000]*$"}),
    }
}

fn list(name: &str) -> Value {
    if name == "childrenAges" {
        return json!({"type": ["array", "null"], "maxItems": 256,
            "items": {"type": "integer", "minimum": 0, "maximum": 25}});
    }
    // Blank words are dropped before they are counted.
    json!({"type": ["array", "null"], "items": {"type": "string", "pattern": r"^[^\u0000]*$"},
        "contains": {"type": "string", "pattern": r"\S"}, "minContains": 0, "maxContains": 256})
}
