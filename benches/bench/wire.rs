//! A planned event as the value of a record.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::writer::datum::GenericDatumWriter;
use segmenter::codec;
use segmenter::codec::{Decoded, Limits, RawRecord};
use segmenter::domain::event::{Event, Kind};
use serde_json::Value;

use crate::history::Planned;

#[allow(dead_code, reason = "the tests use more of it")]
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

static ONBOARDING: LazyLock<Schema> = LazyLock::new(|| parsed(include_str!("../../schemas/onboarding-completed.avsc")));
static UPDATE: LazyLock<Schema> = LazyLock::new(|| parsed(include_str!("../../schemas/profile-updated.avsc")));

fn parsed(text: &str) -> Schema {
    Schema::parse_str(text).expect("our schemas are valid")
}

/// Writes values in one encoding.
pub struct Writer {
    avro: Option<[AvroWriter; 2]>,
}

impl Writer {
    pub fn new(encoding: Encoding) -> Self {
        let avro = match encoding {
            Encoding::Json => None,
            Encoding::Avro => Some([AvroWriter::new(&ONBOARDING), AvroWriter::new(&UPDATE)]),
        };
        Self { avro }
    }

    /// The value of the event's record.
    pub fn value(&self, planned: &Planned) -> Vec<u8> {
        let json = planned.json();
        match (&self.avro, planned.kind) {
            (None, _) => json.into_bytes(),
            (Some([writer, _]), Kind::OnboardingCompleted) | (Some([_, writer]), Kind::ProfileUpdated) => {
                writer.value(&json)
            }
        }
    }
}

/// Writes values of one schema; the parts that all values share are made once.
struct AvroWriter {
    schema: &'static Schema,
    datum: GenericDatumWriter<'static>,
    header: Vec<u8>,
}

impl AvroWriter {
    fn new(schema: &'static Schema) -> Self {
        // Values are made to fit the schema, and the service rejects any that does not.
        let datum = GenericDatumWriter::builder(schema).validate(false).build().expect("our schemas are valid");
        Self { schema, datum, header: writer::framed(schema, &[]) }
    }

    fn value(&self, json: &str) -> Vec<u8> {
        let json: Value = serde_json::from_str(json).expect("a planned event is JSON");
        let mut value = self.header.clone();
        let datum = writer::value(self.schema, &json);
        self.datum.write_value_ref(&mut value, &datum).expect("a value of the schema can be written");
        value
    }
}

/// The record of a value.
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

/// The event that the service decodes from a value.
pub fn decode(kind: Kind, value: &[u8]) -> Event {
    match codec::decode(&raw(kind, value), &Limits::default()) {
        Decoded::Event(event) => event,
        other => panic!("not an event: {other:?}"),
    }
}
