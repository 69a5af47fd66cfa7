//! An event in JSON and in Avro: the same event, the same state byte for byte, the same rejection.

use apache_avro::types::Value as Avro;
use segmenter::codec;
use segmenter::codec::stored;
use segmenter::domain::event::{Body, Rejection};
use segmenter::domain::fold::{Context, Publishing, fold};
use segmenter::domain::scoring::Catalog;
use segmenter::domain::state::State;
use serde_json::Map;

use super::*;
use crate::decoding_corpus;

/// The stored state after `event`.
fn stored(event: &Event) -> Vec<u8> {
    let catalog = Catalog::builtin().unwrap();
    let context = Context { catalog: &catalog, clock_ms: NOW, publishing: Publishing::Immediate };
    let folded = fold(&event.user, State::default(), &[event], &context).unwrap();
    let state = folded.write.unwrap().state;
    stored::encode_state(&state.profile, state.last_published.as_ref()).unwrap()
}

#[test]
fn an_event_has_one_state_byte_for_byte_in_json_and_in_avro() {
    for (kind, text, example) in INPUTS {
        let in_json = accepted(decode(kind, example.as_bytes()));
        let in_avro = accepted(decode(kind, &writer::single_object(&schema(text), &parsed(example))));
        assert_eq!(in_avro, in_json);
        assert_eq!(stored(&in_avro), stored(&in_json));
    }
}

#[test]
fn the_examples_carry_every_section_and_come_back_from_avro_as_they_were() {
    let mut carried = 0;
    for (kind, text, example) in INPUTS {
        let schema = schema(text);
        let datum = writer::datum(&schema, &parsed(example));
        let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().unwrap();
        let back = Value::try_from(reader.read_value(&mut datum.as_slice()).unwrap()).unwrap();
        assert_eq!(as_doubles(&back), as_doubles(&parsed(example)));
        match accepted(decode(kind, example.as_bytes())).body {
            Body::Onboarding(sections) | Body::Update(sections) => carried += sections.len(),
            Body::Tombstone => {}
        }
    }
    // Nine of the completion (all but demographics) and four of the update.
    assert_eq!(carried, 13);
}

/// In JSON 4200 and 4200.0 are different numbers, in Avro they are one double.
fn as_doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(as_doubles).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(key, value)| (key.clone(), as_doubles(value))).collect())
        }
        other => other.clone(),
    }
}

#[test]
fn times_are_floored_to_milliseconds_as_in_json() {
    let times = ["2026-01-29T10:20:30.9999999Z", "2026-01-29T12:20:30.0009+02:00", "1970-01-01T00:00:00Z"];
    for time in times {
        let json = example_with("/payload/completedAt", json!(time));
        let in_avro = decode(Kind::OnboardingCompleted, &writer::single_object(&schema(ONBOARDING), &json));
        assert_eq!(in_avro, decode(Kind::OnboardingCompleted, json.to_string().as_bytes()));
        assert!(matches!(in_avro, Decoded::Event(_)));
    }
}

#[test]
fn a_number_that_is_not_finite_is_a_bad_value_where_it_is_read_and_nothing_elsewhere() {
    let schema = schema(ONBOARDING);
    let written = |field: &str, number: f64| {
        let mut value = writer::value(&schema, &parsed(ONBOARDING_EXAMPLE));
        let mut found = 0;
        replace_double(&mut value, field, number, &mut found);
        assert_eq!(found, 1, "{field}");
        decode(Kind::OnboardingCompleted, &writer::framed(&schema, &writer::write(&schema, value)))
    };
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for field in ["min", "max", "completeness"] {
            assert_eq!(reason(written(field, number)), Reason::BadValue, "{field} {number}");
        }
        assert_eq!(written("confidence", number), decode(Kind::OnboardingCompleted, ONBOARDING_EXAMPLE.as_bytes()));
    }
    assert_eq!(reason(written("min", -0.01)), Reason::BadValue);
    let zero = example_with("/payload/profile/preferences/budget/globalRange/min", json!(0));
    assert_eq!(written("min", -0.0), decode(Kind::OnboardingCompleted, zero.to_string().as_bytes()));
}

fn replace_double(value: &mut Avro, field: &str, number: f64, found: &mut usize) {
    match value {
        Avro::Union(_, inner) => replace_double(inner, field, number, found),
        Avro::Record(fields) => {
            for (name, value) in fields {
                match value {
                    Avro::Double(double) if name == field => {
                        *double = number;
                        *found += 1;
                    }
                    Avro::Union(_, inner) if name == field && matches!(**inner, Avro::Double(_)) => {
                        **inner = Avro::Double(number);
                        *found += 1;
                    }
                    other => replace_double(other, field, number, found),
                }
            }
        }
        _ => {}
    }
}

/// The corpus is JSON; this test writes each of its records in Avro too, with a schema made to fit it.
#[test]
fn every_record_of_the_corpus_that_avro_can_hold_turns_out_as_in_json() {
    let mut compared = 0;
    for case in decoding_corpus::corpus() {
        let Some(Ok(Value::Object(json))) = case.value.as_deref().map(serde_json::from_slice) else { continue };
        let of_case =
            |value| RawRecord { key: case.key.as_deref(), timestamp: case.timestamp, ..record(case.kind, value) };
        let in_json = codec::decode(&of_case(case.value.as_deref().unwrap()), &Limits::default());
        let is_envelope_of_no_object = json.get("payload").is_some_and(|payload| !payload.is_object());
        match &in_json {
            // Syntax and size depend on the encoding.
            Decoded::Rejected(Rejection { reason: Reason::TooLarge, .. }) => continue,
            Decoded::Rejected(Rejection { reason: Reason::Malformed, .. }) if !is_envelope_of_no_object => continue,
            _ => {}
        }
        let json = Value::Object(json);
        let fitting = fitting_schema(&json, &mut 0).to_string();
        let datum = writer::datum(&schema(&fitting), &json);
        let writer = WriterSchema::parse(&fitting).unwrap();
        let in_avro = codec::decode_datum(&of_case(&datum), &writer, &datum, &Limits::default());
        assert_eq!(outcome(in_avro), outcome(in_json), "{}", case.name);
        compared += 1;
    }
    assert!(compared > 150, "only {compared} records compared");
}

/// Without the detail, whose place may differ.
fn outcome(decoded: Decoded) -> Result<Decoded, Reason> {
    match decoded {
        Decoded::Rejected(rejection) => Err(rejection.reason),
        other => Ok(other),
    }
}

/// A schema for `json`, with a record for each of its objects. Items of lists keep only their type.
fn fitting_schema(json: &Value, records: &mut usize) -> Value {
    match json {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Number(number) if number.is_i64() => json!("long"),
        Value::Number(_) => json!("double"),
        Value::String(_) => json!("string"),
        Value::Array(_) => item_list(3),
        Value::Object(members) => {
            *records += 1;
            let name = format!("Record{records}");
            let named: Map<String, Value> = members.clone().into_iter().filter(|(key, _)| is_name(key)).collect();
            let fields = named.iter().map(|(key, value)| json!({"name": key, "type": fitting_schema(value, records)}));
            json!({"type": "record", "name": name, "fields": fields.collect::<Vec<_>>()})
        }
    }
}

/// Lists of anything, in lists and maps of anything, `levels` deep.
fn item_list(levels: usize) -> Value {
    let mut items = vec![json!("null"), json!("boolean"), json!("long"), json!("double"), json!("string")];
    if levels > 0 {
        items.push(item_list(levels - 1));
        let values = item_list(levels - 1)["items"].clone();
        items.push(json!({"type": "map", "values": values}));
    }
    json!({"type": "array", "items": items})
}

/// Avro's names are ASCII identifiers; no field that is read has another.
fn is_name(key: &str) -> bool {
    let mut bytes = key.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
