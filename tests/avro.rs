//! Avro: an event has the same effect as in JSON, invalid Avro is refused, and other libraries read the published Avro.

mod agreement;
mod evolution;
mod fingerprints;
mod hostile;
mod published;
pub mod writer;

use apache_avro::Schema;
use segmenter::codec;
use segmenter::codec::avro::WriterSchema;
use segmenter::codec::{Decoded, Limits, RawRecord};
use segmenter::domain::event::{Event, Kind, Reason};
use serde_json::{Value, json};

pub const ONBOARDING: &str = include_str!("../schemas/onboarding-completed.avsc");
pub const UPDATE: &str = include_str!("../schemas/profile-updated.avsc");
pub const EARLIER_ONBOARDING: &str = include_str!("../schemas/history/onboarding-completed-1.avsc");
pub const EARLIER_UPDATE: &str = include_str!("../schemas/history/profile-updated-1.avsc");
pub const SEGMENT_CHANGED: &str = include_str!("../schemas/segment-changed.avsc");

const ONBOARDING_EXAMPLE: &str = include_str!("../schemas/examples/onboarding-completed.json");
const UPDATE_EXAMPLE: &str = include_str!("../schemas/examples/profile-updated.json");
const SEGMENT_CHANGED_EXAMPLE: &str = include_str!("../schemas/examples/segment-changed.json");

/// Each kind with its schema and its example.
const INPUTS: [(Kind, &str, &str); 2] =
    [(Kind::OnboardingCompleted, ONBOARDING, ONBOARDING_EXAMPLE), (Kind::ProfileUpdated, UPDATE, UPDATE_EXAMPLE)];

/// Later than every time in the examples.
const NOW: i64 = 1_780_000_000_000;

fn record(kind: Kind, value: &[u8]) -> RawRecord<'_> {
    RawRecord {
        kind,
        topic: "in",
        partition: 0,
        offset: 7,
        key: Some(b"user-42"),
        value: Some(value),
        timestamp: Some(NOW),
        traceparent: None,
    }
}

fn decode(kind: Kind, value: &[u8]) -> Decoded {
    codec::decode(&record(kind, value), &Limits::default())
}

/// Decodes a datum that was written with `schema`.
fn decode_datum(kind: Kind, schema: &Schema, datum: &[u8]) -> Decoded {
    let writer = WriterSchema::parse(&serde_json::to_string(schema).unwrap()).unwrap();
    codec::decode_datum(&record(kind, datum), &writer, datum, &Limits::default())
}

fn accepted(decoded: Decoded) -> Event {
    match decoded {
        Decoded::Event(event) => event,
        other => panic!("not an event: {other:?}"),
    }
}

fn reason(decoded: Decoded) -> Reason {
    match decoded {
        Decoded::Rejected(rejection) => rejection.reason,
        other => panic!("not rejected: {other:?}"),
    }
}

fn schema(text: &str) -> Schema {
    Schema::parse_str(text).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The example of onboarding-completed with `value` at `pointer`.
fn example_with(pointer: &str, value: Value) -> Value {
    let mut example = parsed(ONBOARDING_EXAMPLE);
    *example.pointer_mut(pointer).unwrap() = value;
    example
}
