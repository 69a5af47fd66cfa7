//! Properties of every record, valid or not.

use proptest::prelude::*;
use segmenter::codec::{Decoded, Limits, RawRecord};
use segmenter::domain::event::{Body, Cause, Event, Kind, Reason};
use serde_json::Value;

use super::*;

/// The fields of [`preferences::FULL`] that are read: a number beyond a double is refused there.
const READ: [&str; 33] = [
    "",
    "/completedAt",
    "/profile",
    "/profile/isOnboardingCompleted",
    "/profile/metadata",
    "/profile/metadata/dataQuality",
    "/profile/metadata/dataQuality/completeness",
    "/profile/preferences",
    "/profile/preferences/accommodation",
    "/profile/preferences/accommodation/comfortLevel",
    "/profile/preferences/accommodation/types",
    "/profile/preferences/activities",
    "/profile/preferences/activities/activityLevel",
    "/profile/preferences/activities/interests",
    "/profile/preferences/activities/types",
    "/profile/preferences/budget",
    "/profile/preferences/budget/globalRange",
    "/profile/preferences/budget/globalRange/currency",
    "/profile/preferences/budget/globalRange/max",
    "/profile/preferences/budget/globalRange/min",
    "/profile/preferences/climate",
    "/profile/preferences/climate/preferences",
    "/profile/preferences/destinations",
    "/profile/preferences/experience",
    "/profile/preferences/experience/riskTolerance",
    "/profile/preferences/transport",
    "/profile/preferences/transport/preferredAirlines",
    "/profile/preferences/travel",
    "/profile/preferences/travel/childrenAges",
    "/profile/preferences/travel/groupTypes",
    "/profile/preferences/travel/purposes",
    "/profile/preferences/travel/travelWithChildren",
    "/profile/preferences/travel/types",
];
/// Read too, but of two users only the first is checked: see the test.
const SHADOWED: [&str; 2] = ["/profile/userId", "/userId"];

fn full() -> Value {
    serde_json::from_str(preferences::FULL).expect("JSON")
}

fn decode(kind: Kind, value: &[u8]) -> Decoded {
    outcome(kind, Some(USER.as_bytes()), Some(value), Some(NOW))
}

/// The pointers to everything in `value`, list items excepted.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    for (key, value) in value.as_object().into_iter().flatten() {
        pointers(value, &format!("{at}/{key}"), found);
    }
}

fn all_pointers() -> Vec<String> {
    let mut found = Vec::new();
    pointers(&full(), "", &mut found);
    found
}

/// The full payload with `text` at `pointer`, in an envelope.
fn with(pointer: &str, text: &str) -> String {
    let mut payload = full();
    *payload.pointer_mut(pointer).expect("a pointer of the payload") = Value::from("PLACEHOLDER");
    onboarding_envelope(&payload.to_string().replace(r#""PLACEHOLDER""#, text))
}

#[test]
fn exactly_the_documented_fields_are_read() {
    let untouched = decode(Kind::OnboardingCompleted, onboarding_envelope(&full().to_string()).as_bytes());
    for pointer in all_pointers() {
        let beyond = decode(Kind::OnboardingCompleted, with(&pointer, "1e400").as_bytes());
        if READ.contains(&pointer.as_str()) || SHADOWED.contains(&pointer.as_str()) {
            assert_eq!(summary(beyond), Expected::Rejected(Reason::Malformed), "{pointer}");
        } else {
            assert_eq!(beyond, untouched, "{pointer}");
        }
    }
}

#[test]
fn a_wrong_type_in_a_field_that_is_read_is_refused_and_in_any_other_ignored() {
    let untouched = decode(Kind::OnboardingCompleted, onboarding_envelope(&full().to_string()).as_bytes());
    for pointer in all_pointers() {
        let wrong = decode(Kind::OnboardingCompleted, with(&pointer, "[[]]").as_bytes());
        let reason = match pointer.as_str() {
            "" => Reason::Malformed,
            "/completedAt" => Reason::BadTime,
            "/userId" => Reason::BadUser,
            read if READ.contains(&read) => Reason::BadValue,
            _ => {
                assert_eq!(wrong, untouched, "{pointer}");
                continue;
            }
        };
        assert_eq!(summary(wrong), Expected::Rejected(reason), "{pointer}");
    }
}

#[test]
fn a_rejection_never_repeats_content() {
    let mut values: Vec<String> = Vec::new();
    for pointer in all_pointers() {
        for text in
            [r#""SECRET""#, r#""SECRET\u0000""#, r#"["SECRET"]"#, r#"{"SECRET":1,"SECRET":2}"#, r#""SECRET"#, "SECRET"]
        {
            values.push(with(&pointer, text));
        }
    }
    let mut rejected = 0;
    for value in values {
        if let Decoded::Rejected(rejection) = decode(Kind::OnboardingCompleted, value.as_bytes()) {
            assert!(!rejection.detail.contains("SECRET"), "{}", rejection.detail);
            assert!(!rejection.detail.is_empty());
            rejected += 1;
        }
    }
    assert!(rejected > 100);
}

#[test]
fn a_rejection_names_the_field_and_the_rule() {
    let record = with("/profile/preferences/budget/globalRange/min", "-5");
    let Decoded::Rejected(rejection) = decode(Kind::OnboardingCompleted, record.as_bytes()) else {
        panic!("accepted");
    };
    assert_eq!(rejection.detail, "preferences.budget.globalRange.min: must not be negative");
}

fn event(value: Option<&str>, traceparent: Option<&[u8]>) -> Event {
    let record = RawRecord {
        kind: Kind::OnboardingCompleted,
        topic: "in",
        partition: 3,
        offset: 42,
        key: Some(USER.as_bytes()),
        value: value.map(str::as_bytes),
        timestamp: Some(NOW),
        traceparent,
    };
    match segmenter::codec::decode(&record, &Limits::default()) {
        Decoded::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_cause_is_the_event_or_else_its_coordinates() {
    let trace = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let enveloped = onboarding_envelope("{}");
    let correlated = |id: &str| enveloped.replacen('{', &format!(r#"{{"correlationId":{id},"#), 1);
    let cause = event(Some(&correlated(r#""c-1""#)), Some(trace)).cause;
    let expected = Cause {
        causation_id: Some(EVENT_ID.into()),
        correlation_id: Some("c-1".into()),
        traceparent: Some(String::from_utf8_lossy(trace).into()),
    };
    assert_eq!(cause, expected);

    let coordinates = Some("in/3/42".into());
    assert_eq!(
        event(Some("{}"), Some(b"nonsense")).cause,
        Cause { causation_id: coordinates.clone(), ..Cause::default() }
    );
    assert_eq!(event(Some(&enveloped.replace("e-1", "")), None).cause.causation_id, coordinates);
    assert_eq!(event(Some(&enveloped.replace(r#""e-1""#, "null")), None).cause.causation_id, coordinates);
    let tombstone = event(None, Some(trace));
    assert_eq!((tombstone.body, tombstone.cause.causation_id), (Body::Tombstone, coordinates));
    assert!(tombstone.cause.traceparent.is_some());

    for dropped in ["null", r#""""#, r#""a\nb""#, r#""a\u0000""#, &format!("\"{}\"", "x".repeat(256))] {
        assert_eq!(event(Some(&correlated(dropped)), None).cause.correlation_id, None, "{dropped}");
    }
    let longest = "x".repeat(255);
    assert_eq!(event(Some(&correlated(&format!("\"{longest}\""))), None).cause.correlation_id, Some(longest.into()));
}

#[test]
fn the_configured_limits_apply() {
    let limits = Limits { max_value_bytes: 40, max_future_ms: 1 };
    let reason = |value: &str| {
        let record = RawRecord {
            kind: Kind::OnboardingCompleted,
            topic: "in",
            partition: 0,
            offset: 0,
            key: Some(b"u-1"),
            value: Some(value.as_bytes()),
            timestamp: Some(NOW),
            traceparent: None,
        };
        summary(segmenter::codec::decode(&record, &limits))
    };
    assert_eq!(reason(&" ".repeat(41)), Expected::Rejected(Reason::TooLarge));
    assert_eq!(reason(r#"{"completedAt":"2026-01-29T10:20:31Z"}"#), Expected::Rejected(Reason::FutureDated));
}

#[test]
fn minus_zero_is_zero_to_the_bit() {
    for zero in ["-0", "-0.0", "-1e-999"] {
        let value = completion(&format!(r#"{{"budget":{{"globalRange":{{"min":{zero},"max":{zero}}}}}}}"#));
        let Body::Onboarding(sections) = event(Some(&value), None).body else { panic!("no completion") };
        let [Section::Budget(budget)] = sections.as_slice() else { panic!("no budget") };
        let range = budget.global_range.as_ref().expect("a range");
        assert_eq!((range.min.to_bits(), range.max.to_bits()), (0, 0), "{zero}");
    }
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::OnboardingCompleted), Just(Kind::ProfileUpdated)]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Replaces, inserts, removes or repeats a few bytes.
fn mutate(record: &mut Vec<u8>, edits: &[(prop::sample::Index, u8, u8)]) {
    for (index, operation, byte) in edits {
        if record.is_empty() {
            return;
        }
        let at = index.index(record.len());
        match operation % 4 {
            0 => record[at] = *byte,
            1 => record.insert(at, *byte),
            2 => drop(record.remove(at)),
            _ => {
                let end = (at + usize::from(*byte)).min(record.len());
                let repeated = record[at..end].to_vec();
                record.splice(at..at, repeated);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_end_as_one_outcome_and_always_the_same(
        kind in any_kind(),
        key in any::<Option<Vec<u8>>>(),
        value in any::<Option<Vec<u8>>>(),
        timestamp in any::<Option<i64>>(),
    ) {
        let first = outcome(kind, key.as_deref(), value.as_deref(), timestamp);
        prop_assert_eq!(first, outcome(kind, key.as_deref(), value.as_deref(), timestamp));
    }

    #[test]
    fn any_json_ends_as_one_outcome(kind in any_kind(), value in any_json()) {
        decode(kind, value.to_string().as_bytes());
        decode(kind, onboarding_envelope(&value.to_string()).as_bytes());
    }

    #[test]
    fn a_damaged_record_ends_as_one_outcome(
        kind in any_kind(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..5),
    ) {
        let mut record = onboarding_envelope(preferences::FULL).into_bytes();
        mutate(&mut record, &edits);
        decode(kind, &record);
    }

    #[test]
    fn unknown_fields_anywhere_change_nothing(
        added in prop::collection::vec((any::<prop::sample::Index>(), "\\PC*", any_json()), 1..8),
    ) {
        let mut record: Value = serde_json::from_str(&onboarding_envelope(&full().to_string())).expect("JSON");
        let untouched = decode(Kind::OnboardingCompleted, record.to_string().as_bytes());
        let mut objects = Vec::new();
        pointers(&record, "", &mut objects);
        objects.retain(|pointer| record.pointer(pointer).is_some_and(Value::is_object));
        for (index, key, value) in added {
            let pointer = &objects[index.index(objects.len())];
            if let Some(Value::Object(object)) = record.pointer_mut(pointer) {
                object.insert(format!("x-{key}"), value);
            }
        }
        prop_assert_eq!(decode(Kind::OnboardingCompleted, record.to_string().as_bytes()), untouched);
    }
}
