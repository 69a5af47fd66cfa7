//! Events of earlier and later versions of a schema are read, and events of schemas with other types.

use segmenter::domain::event::Body;
use segmenter::domain::section::SectionKind;

use super::*;

/// The record type called `name` within a schema.
fn record_called<'a>(schema: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    if schema["type"] == "record" && schema["name"] == name {
        return Some(schema);
    }
    match schema {
        Value::Array(parts) => parts.iter_mut().find_map(|part| record_called(part, name)),
        Value::Object(members) => members.values_mut().find_map(|part| record_called(part, name)),
        _ => None,
    }
}

fn fields<'a>(schema: &'a mut Value, record: &str) -> &'a mut Vec<Value> {
    record_called(schema, record).unwrap()["fields"].as_array_mut().unwrap()
}

/// Gives a field another type, and drops its default, which may not fit.
fn retype(schema: &mut Value, record: &str, name: &str, of: Value) {
    let field = fields(schema, record).iter_mut().find(|field| field["name"] == name).unwrap();
    *field = json!({"name": name, "type": of});
}

/// Decodes the example of onboarding-completed as written with `text`.
fn written_with(text: &Value, json: &Value) -> Decoded {
    let schema = schema(&text.to_string());
    decode_datum(Kind::OnboardingCompleted, &schema, &writer::datum(&schema, json))
}

fn as_published() -> Decoded {
    decode(Kind::OnboardingCompleted, ONBOARDING_EXAMPLE.as_bytes())
}

#[test]
fn events_of_earlier_schemas_are_read_without_the_fields_added_later() {
    let earlier = [(Kind::OnboardingCompleted, EARLIER_ONBOARDING), (Kind::ProfileUpdated, EARLIER_UPDATE)];
    for ((kind, text), (_, _, example)) in earlier.into_iter().zip(INPUTS) {
        let event = accepted(decode(kind, &writer::single_object(&schema(text), &parsed(example))));
        let full = accepted(decode(kind, example.as_bytes()));
        let (Body::Onboarding(sections) | Body::Update(sections)) = event.body else { panic!("a tombstone") };
        let (Body::Onboarding(expected) | Body::Update(expected)) = full.body else { panic!("a tombstone") };
        let absent = [SectionKind::Transport, SectionKind::Climate, SectionKind::Quality];
        let kept = expected.iter().filter(|section| !absent.contains(&section.kind()));
        assert!(sections.iter().eq(kept));
        assert_eq!((event.user, event.stamp), (full.user, full.stamp));
        assert_eq!(event.cause.correlation_id, None);
    }
}

#[test]
fn an_event_of_a_later_schema_with_more_fields_in_another_order_is_read() {
    let mut later = parsed(ONBOARDING);
    let season = json!({"type": "enum", "name": "Season", "symbols": ["SPRING", "SUMMER"]});
    fields(&mut later, "Preferences").push(json!({
        "name": "timing", "default": null, "type": ["null", {"type": "record", "name": "Timing", "fields": [
            {"name": "seasons", "type": {"type": "array", "items": season}},
            {"name": "nights", "type": {"type": "map", "values": ["null", "long", "float", "bytes"]}},
            {"name": "signature", "type": {"type": "fixed", "name": "Signature", "size": 3}},
            {"name": "previous", "type": ["null", "Timing"], "default": null},
            {"name": "favourite", "type": ["null", "Season"], "default": null},
        ]}],
    }));
    fields(&mut later, "OnboardingCompleted").push(json!({"name": "traceState", "type": "string", "default": ""}));
    for record in ["OnboardingCompleted", "OnboardingCompletedPayload", "OnboardingProfile", "BudgetRange", "Travel"] {
        fields(&mut later, record).reverse();
    }
    let mut json = parsed(ONBOARDING_EXAMPLE);
    let nested = json!({"seasons": [], "nights": {}, "signature": "abc", "favourite": "SUMMER"});
    json["payload"]["profile"]["preferences"]["timing"] = json!({
        "seasons": ["SUMMER", "SPRING"],
        "nights": {"least": 3, "most": null, "mean": 4.5, "other": "bytes"},
        "signature": "def",
        "previous": nested,
    });
    assert_eq!(written_with(&later, &json), as_published());
}

#[test]
fn numbers_are_read_in_every_numeric_type() {
    for number in ["int", "long", "float", "double"] {
        let mut other = parsed(ONBOARDING);
        retype(&mut other, "BudgetRange", "min", json!(number));
        retype(&mut other, "BudgetRange", "max", json!(["null", number]));
        retype(&mut other, "DataQuality", "completeness", json!(["null", number]));
        retype(&mut other, "Travel", "childrenAges", json!({"type": "array", "items": number}));
        let mut json = example_with("/payload/profile/preferences/budget/globalRange/min", json!(1500));
        json["payload"]["profile"]["metadata"]["dataQuality"]["completeness"] = json!(87);
        let expected = decode(Kind::OnboardingCompleted, json.to_string().as_bytes());
        assert!(matches!(expected, Decoded::Event(_)));
        assert_eq!(written_with(&other, &json), expected, "{number}");
    }
}

#[test]
fn enums_are_words_and_maps_are_objects() {
    let mut other = parsed(ONBOARDING);
    retype(
        &mut other,
        "Accommodation",
        "comfortLevel",
        json!({"type": "enum", "name": "ComfortLevel", "symbols": ["BASIC", "STANDARD", "PREMIUM", "LUXURY"]}),
    );
    retype(
        &mut other,
        "Travel",
        "groupTypes",
        json!({"type": "array", "items": {"type": "enum", "name": "GroupType", "symbols": ["SOLO", "FAMILY"]}}),
    );
    retype(&mut other, "Preferences", "experience", json!({"type": "map", "values": "string"}));
    assert_eq!(written_with(&other, &parsed(ONBOARDING_EXAMPLE)), as_published());
}

#[test]
fn a_schema_may_refer_to_types_of_others_which_refer_to_yet_others() {
    let mut rest = parsed(ONBOARDING);
    let namespace = rest["namespace"].as_str().unwrap().to_owned();
    let others = ["BudgetRange", "Budget", "Preferences"].map(|name| {
        let mut of_its_own = record_called(&mut rest, name).unwrap().clone();
        *record_called(&mut rest, name).unwrap() = json!(format!("{namespace}.{name}"));
        of_its_own["namespace"] = json!(namespace);
        of_its_own.to_string()
    });
    assert!(WriterSchema::parse(&rest.to_string()).is_err());
    let writer = WriterSchema::parse_with(&rest.to_string(), &others).unwrap();
    let datum = writer::datum(&schema(ONBOARDING), &parsed(ONBOARDING_EXAMPLE));
    let record = record(Kind::OnboardingCompleted, &datum);
    assert_eq!(codec::decode_datum(&record, &writer, &datum, &Limits::default()), as_published());
}

#[test]
fn a_payload_without_an_envelope_is_read_as_in_json() {
    let mut envelope = parsed(ONBOARDING);
    let bare = record_called(&mut envelope, "OnboardingCompletedPayload").unwrap().clone();
    let payload = parsed(ONBOARDING_EXAMPLE)["payload"].clone();
    let event = written_with(&bare, &payload);
    assert_eq!(event, decode(Kind::OnboardingCompleted, payload.to_string().as_bytes()));
    assert_eq!(accepted(event).cause.causation_id.as_deref(), Some("in/0/7"));
}

#[test]
fn a_type_that_no_version_ever_had_is_refused_as_in_json() {
    let wrong = [
        ("Travel", "types", json!("string"), "/payload/profile/preferences/travel/types", json!("CULTURAL")),
        ("BudgetRange", "min", json!("string"), "/payload/profile/preferences/budget/globalRange/min", json!("10")),
        (
            "OnboardingProfile",
            "isOnboardingCompleted",
            json!("long"),
            "/payload/profile/isOnboardingCompleted",
            json!(1),
        ),
        (
            "OnboardingCompletedPayload",
            "completedAt",
            json!("long"),
            "/payload/completedAt",
            json!(1_769_682_030_000_i64),
        ),
        ("OnboardingCompletedPayload", "userId", json!("long"), "/payload/userId", json!(42)),
        ("OnboardingCompleted", "eventId", json!("int"), "/eventId", json!(42)),
        ("OnboardingCompleted", "payload", json!("string"), "/payload", json!("{}")),
    ];
    for (record, name, written_as, pointer, value) in wrong {
        let mut other = parsed(ONBOARDING);
        retype(&mut other, record, name, written_as);
        let json = example_with(pointer, value);
        let in_json = reason(decode(Kind::OnboardingCompleted, json.to_string().as_bytes()));
        assert_eq!(reason(written_with(&other, &json)), in_json, "{name}");
    }
}

#[test]
fn an_event_of_another_topic_is_skipped_as_in_json() {
    for (kind, text, example) in INPUTS {
        let other = if kind == Kind::ProfileUpdated { Kind::OnboardingCompleted } else { Kind::ProfileUpdated };
        let skipped = decode(other, example.as_bytes());
        assert!(matches!(skipped, Decoded::Skipped(_)));
        assert_eq!(decode(other, &writer::single_object(&schema(text), &parsed(example))), skipped);
    }
}
