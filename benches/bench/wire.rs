//! How a planned event is written into a record's value.

use apache_avro::Schema;
use segmenter::event::{self, Decoded, Event, Kind, Limits, RawRecord};
use serde_json::Value;

use crate::history::Planned;

#[path = "../../tests/avro/writer.rs"]
mod writer;

/// The encodings that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    /// Single-object encoding.
    Avro,
}

impl Encoding {
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Avro => "Avro",
        }
    }
}

/// Writes values; knows the Avro schemas.
pub struct Writer {
    encoding: Encoding,
    onboarding: Schema,
    update: Schema,
}

impl Writer {
    pub fn new(encoding: Encoding) -> Self {
        let parsed = |text| Schema::parse_str(text).expect("our schemas are valid");
        Self {
            encoding,
            onboarding: parsed(include_str!("../../schemas/onboarding-completed.avsc")),
            update: parsed(include_str!("../../schemas/profile-updated.avsc")),
        }
    }

    /// The value of the event's record.
    pub fn value(&self, planned: &Planned) -> Vec<u8> {
        let json = planned.json();
        match self.encoding {
            Encoding::Json => json.into_bytes(),
            Encoding::Avro => {
                let schema = match planned.kind {
                    Kind::OnboardingCompleted => &self.onboarding,
                    Kind::ProfileUpdated => &self.update,
                };
                let json: Value = serde_json::from_str(&json).expect("what was just written is JSON");
                writer::single_object(schema, &json)
            }
        }
    }
}

/// The record of a value, as if it lay in a topic.
pub fn raw(kind: Kind, value: &[u8]) -> RawRecord<'_> {
    RawRecord {
        kind,
        topic: "in",
        partition: 0,
        offset: 7,
        key: None,
        value: Some(value),
        timestamp: Some(4_000_000_000_000),
        traceparent: None,
    }
}

/// The event that the service reads out of a value.
pub fn decode(kind: Kind, value: &[u8]) -> Event {
    match event::decode(&raw(kind, value), &Limits::default()) {
        Decoded::Event(event) => event,
        other => panic!("no event but {other:?}"),
    }
}
