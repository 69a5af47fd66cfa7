//! Invalid and hostile Avro: rejected, without a panic and without trusting its lengths.

use apache_avro::types::Value as Avro;
use proptest::prelude::*;

use super::*;

fn example(kind: Kind) -> Vec<u8> {
    let (_, text, example) = INPUTS.into_iter().find(|(of, ..)| *of == kind).unwrap();
    writer::single_object(&schema(text), &parsed(example))
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::OnboardingCompleted), Just(Kind::ProfileUpdated)]
}

/// An integer as Avro writes it.
fn long(value: i64) -> Vec<u8> {
    writer::write(&Schema::Long, Avro::Long(value))
}

/// A profile-updated payload with a field `extra`, first, of the type given.
fn with_extra(extra: Value) -> Schema {
    let text = json!({"type": "record", "name": "Bare", "fields": [
        {"name": "extra", "type": extra},
        {"name": "preferences", "type": {"type": "record", "name": "Preferences", "fields": [
            {"name": "climate", "type": {"type": "record", "name": "Climate", "fields": [
                {"name": "preferences", "type": {"type": "array", "items": "string"}},
            ]}},
        ]}},
    ]});
    schema(&text.to_string())
}

fn decode_extra(extra: Value, bytes: &[u8]) -> Decoded {
    // After it: no preferences.
    decode_datum(Kind::ProfileUpdated, &with_extra(extra), &[bytes, &[0]].concat())
}

#[test]
fn a_value_that_ends_too_early_is_malformed_wherever_it_ends() {
    for (kind, ..) in INPUTS {
        let whole = example(kind);
        accepted(decode(kind, &whole));
        for length in 0..whole.len() {
            assert_eq!(reason(decode(kind, &whole[..length])), Reason::Malformed, "{length}");
        }
    }
}

#[test]
fn a_value_that_goes_on_is_malformed() {
    for (kind, ..) in INPUTS {
        for more in [&[0][..], &[2, 0], &[0xc3, 0x01]] {
            assert_eq!(reason(decode(kind, &[&example(kind), more].concat())), Reason::Malformed);
        }
    }
}

#[test]
fn a_fingerprint_that_is_not_known_is_malformed() {
    let mut value = example(Kind::OnboardingCompleted);
    value[2] ^= 1;
    assert_eq!(reason(decode(Kind::OnboardingCompleted, &value)), Reason::Malformed);
    let ours = writer::single_object(&schema(SEGMENT_CHANGED), &parsed(SEGMENT_CHANGED_EXAMPLE));
    assert_eq!(reason(decode(Kind::OnboardingCompleted, &ours)), Reason::Malformed);
}

#[test]
fn a_datum_over_the_limit_is_too_large_before_anything_else() {
    let value = example(Kind::OnboardingCompleted);
    let limits = Limits { max_value_bytes: value.len() - 1, ..Limits::default() };
    let framed = record(Kind::OnboardingCompleted, &value);
    assert_eq!(reason(codec::decode(&framed, &limits)), Reason::TooLarge);
    let writer = WriterSchema::parse(ONBOARDING).unwrap();
    assert_eq!(reason(codec::decode_datum(&framed, &writer, &value[10..], &limits)), Reason::TooLarge);
}

#[test]
fn lengths_are_not_trusted() {
    let strings = || json!({"type": "array", "items": "string"});
    let huge = long(i64::MAX);
    let cases = [
        (json!("string"), huge.clone()),
        (json!("string"), long(-1)),
        (json!("bytes"), huge.clone()),
        (json!({"type": "fixed", "name": "Fixed", "size": 4_000_000_000_u32}), vec![1, 2, 3]),
        (strings(), huge.clone()),
        (strings(), long(i64::MIN)),
        (strings(), [long(-1), huge.clone()].concat()),
        (strings(), [long(-1), long(-5)].concat()),
        (json!({"type": "map", "values": "null"}), huge.clone()),
        // Items without bytes could be counted without an end.
        (json!({"type": "array", "items": "null"}), [huge.clone(), long(0)].concat()),
        (
            json!({"type": "array", "items": {"type": "record", "name": "Nothing", "fields": []}}),
            [huge, long(0)].concat(),
        ),
    ];
    for (schema, bytes) in cases {
        assert_eq!(reason(decode_extra(schema.clone(), &bytes)), Reason::Malformed, "{schema} {bytes:?}");
    }
}

#[test]
fn bytes_that_no_writer_writes_are_malformed_in_unread_fields_too() {
    let strings = || json!({"type": "array", "items": "string"});
    let cases: [(Value, &[u8]); 10] = [
        (json!("boolean"), &[2]),
        (json!("string"), &[4, 0xf0, 0x28]),
        (json!("int"), &[0x80, 0x80, 0x80, 0x80, 0x10]),
        (json!("long"), &[0xff; 11]),
        (json!("long"), &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]),
        (json!(["null", "int"]), &[4]),
        (json!(["null", "int"]), &[1]),
        (json!({"type": "enum", "name": "Enum", "symbols": ["A"]}), &[2]),
        // A block of one item in two bytes that states a size of three, and of one.
        (strings(), &[1, 6, 2, b'a', 0]),
        (strings(), &[1, 2, 2, b'a', 0]),
    ];
    for (schema, bytes) in cases {
        assert_eq!(reason(decode_extra(schema.clone(), bytes)), Reason::Malformed, "{schema} {bytes:?}");
    }
}

#[test]
fn lists_are_read_in_blocks_with_and_without_their_size() {
    let expected = decode(Kind::ProfileUpdated, br#"{"preferences":{"climate":{"preferences":["a","b","c"]}}}"#);
    let blocks: [&[u8]; 3] = [
        &[6, 2, b'a', 2, b'b', 2, b'c', 0],
        &[2, 2, b'a', 4, 2, b'b', 2, b'c', 0],
        &[3, 8, 2, b'a', 2, b'b', 1, 4, 2, b'c', 0],
    ];
    for bytes in blocks {
        assert_eq!(decode_datum(Kind::ProfileUpdated, &with_extra(json!("null")), bytes), expected);
        let skipped = [bytes, &[2, 2, b'a', 0]].concat();
        let strings = json!({"type": "array", "items": "string"});
        assert!(matches!(decode_datum(Kind::ProfileUpdated, &with_extra(strings), &skipped), Decoded::Event(_)));
    }
}

#[test]
fn nesting_of_128_is_accepted_and_of_129_malformed() {
    let chain =
        json!(["null", {"type": "record", "name": "Link", "fields": [{"name": "next", "type": ["null", "Link"]}]}]);
    // The outermost record is one level, each link another.
    let links = |count: usize| [vec![2; count], vec![0]].concat();
    accepted(decode_extra(chain.clone(), &links(127)));
    assert_eq!(reason(decode_extra(chain.clone(), &links(128))), Reason::Malformed);
    assert_eq!(reason(decode_extra(chain, &links(500_000))), Reason::Malformed);
}

#[test]
fn a_schema_of_exponentially_many_values_without_bytes_is_malformed() {
    // Each level is the one before it, twice.
    let level = |number: usize| {
        let of = if number == 0 { json!("null") } else { json!(format!("Level{}", number - 1)) };
        let fields = ["a", "b"].map(|name| json!({"name": name, "type": of}));
        json!({"type": "record", "name": format!("Level{number}"), "fields": fields})
    };
    let fields = (0..60).map(|number| json!({"name": format!("level{number}"), "type": level(number)}));
    let of = json!({"type": "record", "name": "Levels", "fields": fields.collect::<Vec<_>>()});
    assert_eq!(reason(decode_extra(of, &[])), Reason::Malformed);
}

#[test]
fn a_map_that_is_read_has_no_key_twice() {
    let schema = schema(
        r#"{"type":"record","name":"Bare","fields":[{"name":"preferences","type":
        {"type":"map","values":{"type":"map","values":"string"}}}]}"#,
    );
    // Two entries of an empty map each.
    let twice = |first: u8, second: u8| vec![4, 2, first, 0, 2, second, 0, 0];
    assert!(matches!(decode_datum(Kind::ProfileUpdated, &schema, &twice(b'a', b'b')), Decoded::Skipped(_)));
    assert_eq!(reason(decode_datum(Kind::ProfileUpdated, &schema, &twice(b'a', b'a'))), Reason::Malformed);
}

#[test]
fn a_schema_that_is_no_record_gives_malformed() {
    for (text, bytes) in
        [(r#""string""#, &[2, b'a'][..]), (r#""null""#, &[]), (r#"{"type":"array","items":"int"}"#, &[0])]
    {
        assert_eq!(reason(decode_datum(Kind::ProfileUpdated, &schema(text), bytes)), Reason::Malformed);
    }
}

#[test]
fn a_text_that_is_no_schema_is_refused() {
    for text in ["", "{}", r#"{"type":"record"}"#, r#"{"type":"array","items":"com.example.Elsewhere"}"#] {
        assert!(WriterSchema::parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn flipped_bits_never_panic_and_end_as_some_outcome(
        kind in kind(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u32..8), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut value = example(kind);
        for (at, bit) in flips {
            // The marker and the fingerprint stay, so that the datum is read.
            let at = 10 + at.index(value.len() - 10);
            value[at] ^= 1 << bit;
        }
        let length = cut.map_or(value.len(), |cut| 10 + cut.index(value.len() - 10));
        match decode(kind, &value[..length]) {
            Decoded::Rejected(rejection) => prop_assert!(matches!(
                rejection.reason,
                Reason::Malformed | Reason::BadValue | Reason::BadTime | Reason::BadUser | Reason::FutureDated
            )),
            Decoded::Event(_) | Decoded::Skipped(_) => {}
        }
    }

    #[test]
    fn any_bytes_after_a_known_fingerprint_end_as_some_outcome(
        kind in kind(),
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(2), any::<u8>()], 0..400),
    ) {
        let value = [&example(kind)[..10], &bytes].concat();
        if let Decoded::Rejected(rejection) = decode(kind, &value) {
            prop_assert!(rejection.detail.is_ascii());
        }
    }
}
