//! Sizes, empty values, encodings, JSON syntax, envelopes, and the order of the checks.

use segmenter::domain::event::{Body, Reason, Rejection, Skip};

use super::*;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = bytes();
    cases.extend(json());
    cases.extend(duplicates());
    cases.extend(numbers_and_strings());
    cases.extend(envelopes());
    cases.extend(order());
    cases
}

fn completed() -> Expected {
    Expected::onboarding(vec![])
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

/// An envelope whose outermost object has a list nested so that the whole is `depth` deep.
fn deep(depth: usize) -> String {
    completion("{}").replacen('{', &format!(r#"{{"extra":{},"#, nested(depth - 1)), 1)
}

fn padded(bytes: usize) -> String {
    let record = completion("{}");
    format!("{record}{}", " ".repeat(bytes - record.len()))
}

fn bytes() -> Vec<Case> {
    vec![
        Case::tombstone("neither key nor value is empty", Expected::Rejected(Reason::Empty)).unkeyed(),
        Case::rejected("a zero-length value is malformed", "", Reason::Malformed),
        Case::rejected("a zero-length value without a key is malformed", "", Reason::Malformed).unkeyed(),
        Case::onboarding("a value of exactly the limit is read", padded(1024 * 1024), completed()),
        Case::rejected("a value of a byte more is too large", padded(1024 * 1024 + 1), Reason::TooLarge),
        Case::rejected("a value of 20 MiB is too large", vec![b'x'; 20 * 1024 * 1024], Reason::TooLarge),
        Case::rejected("too large comes before a missing user", vec![0_u8; 2 * 1024 * 1024], Reason::TooLarge)
            .unkeyed(),
        Case::rejected(
            "Confluent's framing has no schema without a registry",
            [0, 0, 0, 0, 1, 2],
            Reason::UnknownSchema,
        ),
        Case::rejected("a single zero byte is Confluent's framing", [0], Reason::UnknownSchema),
        Case::rejected("Avro without a whole fingerprint is malformed", [0xc3, 0x01, 9, 9], Reason::Malformed),
        Case::rejected(
            "Avro of an unknown schema is malformed",
            [0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0],
            Reason::Malformed,
        ),
        Case::rejected("invalid UTF-8 is malformed", [0xff, 0xfe, b'{', b'}'], Reason::Malformed),
        Case::rejected(
            "invalid UTF-8 is malformed in an unread field too",
            b"{\"x\":\"\xf0\x28\",\"payload\":{}}",
            Reason::Malformed,
        ),
        Case::rejected("a byte order mark is malformed", format!("\u{feff}{}", completion("{}")), Reason::Malformed),
    ]
}

fn json() -> Vec<Case> {
    let mut cases = vec![
        Case::onboarding("whitespace around the value is JSON", format!(" \r\n\t{}\n", completion("{}")), completed()),
        Case::onboarding("nesting of 128 is accepted", deep(128), completed()),
        Case::rejected("nesting of 129 is malformed", deep(129), Reason::Malformed),
        Case::rejected("nesting of 10,000 is malformed", deep(10_000), Reason::Malformed),
        Case::rejected("nesting of 10,000 that never closes is malformed", "[".repeat(10_000), Reason::Malformed),
        Case::onboarding(
            "brackets in strings are no nesting",
            completion("{}").replacen('{', &format!(r#"{{"extra":"\"{}\\","#, "[{".repeat(500)), 1),
            completed(),
        ),
        Case::onboarding(
            "many lists side by side are no nesting",
            completion("{}").replacen('{', &format!(r#"{{"extra":[{}[]],"#, "[],".repeat(500)), 1),
            completed(),
        ),
        Case::rejected(
            "nesting of 129 within a section is malformed",
            completion(&format!(r#"{{"timing":{}}}"#, nested(125))),
            Reason::Malformed,
        ),
        Case::onboarding(
            "nesting of 128 within a section is accepted",
            completion(&format!(r#"{{"timing":{}}}"#, nested(124))),
            completed(),
        ),
    ];
    let malformed = [
        ("null", "null"),
        ("a number", "17"),
        ("a string", r#""x""#),
        ("true", "true"),
        ("a list", "[{}]"),
        ("half an object", r#"{"userId":"u-1""#),
        ("two objects", "{}{}"),
        ("a trailing comma", r#"{"userId":"u-1",}"#),
        ("single quotes", "{'userId':'u-1'}"),
        ("NaN", r#"{"extra":NaN}"#),
        ("a leading zero", r#"{"extra":01}"#),
        ("a raw control character in a string", "{\"extra\":\"a\u{1}\"}"),
        ("an unknown escape", r#"{"extra":"\x"}"#),
        ("only whitespace", "  \n"),
        ("text", "hello"),
    ];
    for (name, value) in malformed {
        cases.push(Case::rejected(&format!("{name} is malformed"), value, Reason::Malformed));
    }
    cases
}

fn duplicates() -> Vec<Case> {
    let many: String = (0..100).map(|index| format!(r#""k{index}":{index},"#)).collect();
    let malformed = [
        ("the envelope", onboarding_envelope("{}").replacen('{', r#"{"eventId":"e-1","#, 1)),
        ("the envelope, unread", onboarding_envelope("{}").replacen('{', r#"{"x":1,"x":2,"#, 1)),
        (
            "the envelope, spelled with an escape",
            onboarding_envelope("{}").replacen('{', r#"{"event\u0049d":"e-1","#, 1),
        ),
        ("the envelope, its payload", onboarding_envelope(r#"{},"payload":{}"#)),
        ("the payload", onboarding_envelope(r#"{"userId":"u-1","userId":"u-1"}"#)),
        ("the payload, unread", onboarding_envelope(r#"{"x":1,"x":1}"#)),
        ("the payload, unread and escaped", onboarding_envelope(r#"{"xA":1,"x\u0041":1}"#)),
        ("the profile", onboarding_envelope(r#"{"profile":{"preferences":{},"preferences":{}}}"#)),
        ("the profile, null both times", onboarding_envelope(r#"{"profile":{"userId":null,"userId":null}}"#)),
        ("the metadata", onboarding_envelope(r#"{"profile":{"metadata":{"x":1,"x":1}}}"#)),
        ("dataQuality", onboarding_envelope(r#"{"profile":{"metadata":{"dataQuality":{"x":1,"x":1}}}}"#)),
        ("the preferences", completion(r#"{"timing":1,"timing":1}"#)),
        ("a section", completion(r#"{"travel":{"style":"a","style":"b"}}"#)),
        ("globalRange", completion(r#"{"budget":{"globalRange":{"min":1,"max":2,"min":1}}}"#)),
        ("an object of a hundred keys, the first", onboarding_envelope(&format!(r#"{{{many}"k0":1}}"#))),
        ("an object of a hundred keys, the seventeenth", onboarding_envelope(&format!(r#"{{{many}"k16":1}}"#))),
        ("an object of a hundred keys, the last", onboarding_envelope(&format!(r#"{{{many}"k99":1}}"#))),
    ];
    let mut cases: Vec<_> = malformed
        .into_iter()
        .map(|(place, value)| Case::rejected(&format!("a key twice in {place} is malformed"), value, Reason::Malformed))
        .collect();
    cases.push(Case::rejected(
        "a key twice in a bare payload is malformed",
        format!(r#"{{"userId":"u-1","x":1,"x":2,"completedAt":"{NOW_TEXT}"}}"#),
        Reason::Malformed,
    ));
    let accepted = [
        ("an unread object", r#"{"timing":{"x":1,"x":2}}"#.to_owned()),
        ("an unread part of a section", r#"{"budget":{"byCategory":{"x":1,"x":2}}}"#.to_owned()),
    ];
    for (place, preferences) in accepted {
        let sections = if preferences.contains("budget") { vec![Section::Budget(Default::default())] } else { vec![] };
        let name = format!("a key twice in {place} does not matter");
        cases.push(Case::onboarding(&name, completion(&preferences), Expected::onboarding(sections)));
    }
    cases.push(Case::onboarding(
        "a hundred different unknown keys do not matter",
        completion("{}").replacen('{', &format!("{{{many}"), 1),
        completed(),
    ));
    cases
}

fn numbers_and_strings() -> Vec<Case> {
    let malformed = [
        ("a number beyond a double in a read field", r#"{"budget":{"globalRange":{"min":1,"max":1e400}}}"#),
        ("a number beyond a double in a read list", r#"{"travel":{"childrenAges":[3,1e400]}}"#),
        ("a number beyond a double for a section", r#"{"climate":-1e400}"#),
        ("an unpaired surrogate in a read string", r#"{"experience":{"riskTolerance":"\ud800"}}"#),
        ("an unpaired surrogate in a read list", r#"{"travel":{"types":["\udc00x"]}}"#),
    ];
    let mut cases: Vec<_> = malformed
        .into_iter()
        .map(|(name, preferences)| {
            Case::rejected(&format!("{name} is malformed"), completion(preferences), Reason::Malformed)
        })
        .collect();
    let ignored = [
        ("a number beyond a double in an unread section", r#"{"timing":1e400}"#),
        ("an unpaired surrogate in an unread string", r#"{"timing":{"x":"\ud800","\ud800":1}}"#),
        ("NUL in an unread string", r#"{"timing":"\u0000"}"#),
    ];
    for (name, preferences) in ignored {
        cases.push(Case::onboarding(&format!("{name} does not matter"), completion(preferences), completed()));
    }
    cases.push(Case::onboarding(
        "numbers and surrogates of the envelope's unread fields do not matter",
        completion("{}").replacen('{', r#"{"version":1e400,"source":"\ud800","causationId":[],"metadata":7,"#, 1),
        completed(),
    ));
    cases.push(Case::rejected(
        "a number beyond a double as eventId is malformed",
        completion("{}").replace(r#""e-1""#, "1e400"),
        Reason::Malformed,
    ));
    cases.push(Case::onboarding(
        "an object with broken content where destinations are stated is not read",
        completion(r#"{"destinations":{"x":1e400,"x":1e400,"\ud800":"\ud800"}}"#),
        Expected::onboarding(vec![Section::Destinations(segmenter::domain::section::Destinations { stated: true })]),
    ));
    cases
}

fn envelopes() -> Vec<Case> {
    let bare = format!(r#"{{"userId":"u-1","profile":{{}},"completedAt":"{NOW_TEXT}"}}"#);
    let typed = |event_type: &str| completion("{}").replace(r#""user.onboarding.completed""#, event_type);
    let long_id = "é".repeat(127) + "x";
    let with_id = |id: &str| completion("{}").replace(r#""e-1""#, id);
    let without_type = completion("{}").replace(r#""eventType":"user.onboarding.completed","#, "");
    let bare_event = Expected::event("", Body::Onboarding(Vec::new()));
    let mut cases = vec![
        Case::onboarding("a bare payload has no id", bare.clone(), bare_event.clone()),
        Case::onboarding(
            "an envelope's fields beside a bare payload are not read",
            bare.replacen('{', r#"{"eventId":1e400,"eventType":"foreign","timestamp":false,"correlationId":[],"#, 1),
            bare_event.clone(),
        ),
        Case::onboarding("an envelope without eventType is accepted", without_type, completed()),
        Case::onboarding("an envelope with a null eventType is accepted", typed("null"), completed()),
        Case::onboarding(
            "another eventType is skipped",
            typed(r#""user.created""#),
            Expected::Skipped(Skip::ForeignEventType),
        ),
        Case::onboarding("an empty eventType is another", typed(r#""""#), Expected::Skipped(Skip::ForeignEventType)),
        Case::onboarding(
            "the other topic's eventType is skipped",
            typed(r#""user.profile.updated""#),
            Expected::Skipped(Skip::ForeignEventType),
        ),
        Case::update(
            "the other topic's eventType is skipped among updates too",
            completion("{}"),
            Expected::Skipped(Skip::ForeignEventType),
        ),
        Case::onboarding(
            "an eventType is the same however it is escaped",
            typed(r#""user.onboarding.complete\u0064""#),
            completed(),
        ),
        Case::rejected("an eventType that is no string is a bad value", typed("7"), Reason::BadValue),
        Case::onboarding("an eventId of 255 bytes is kept", with_id(&format!("\"{long_id}\"")), {
            Expected::event(&long_id, Body::Onboarding(Vec::new()))
        }),
        Case::rejected("an eventId of 256 bytes is a bad value", with_id(&format!("\"{long_id}x\"")), Reason::BadValue),
        Case::rejected("an eventId that is no string is a bad value", with_id("7"), Reason::BadValue),
        Case::onboarding("a null eventId is empty", with_id("null"), bare_event.clone()),
        Case::onboarding("an empty eventId is empty", with_id(r#""""#), bare_event),
        Case::rejected(
            "a correlationId that is no string is a bad value",
            completion("{}").replacen('{', r#"{"correlationId":{},"#, 1),
            Reason::BadValue,
        ),
    ];
    for payload in ["null", "7", r#""{}""#, "[]", "false"] {
        let name = format!("a payload {payload} is malformed");
        cases.push(Case::rejected(&name, onboarding_envelope(payload), Reason::Malformed));
    }
    cases
}

fn order() -> Vec<Case> {
    let foreign = Expected::Skipped(Skip::ForeignEventType);
    let foreign_envelope = |payload: &str| onboarding_envelope(payload).replace("user.onboarding.completed", "other");
    let bad = r#""profile":{"isOnboardingCompleted":false,"preferences":{"budget":7}}"#;
    vec![
        Case::rejected("a foreign payload must be an object", foreign_envelope("[]"), Reason::Malformed),
        Case::rejected("a foreign payload must be JSON", foreign_envelope(r#"{"x":01}"#), Reason::Malformed),
        Case::onboarding(
            "a foreign payload is not read",
            foreign_envelope(r#"{"userId":7,"userId":1e400,"completedAt":"never"}"#),
            foreign.clone(),
        ),
        Case::onboarding("foreign comes before a missing user", foreign_envelope("{}"), foreign.clone()).unkeyed(),
        Case::onboarding(
            "foreign comes before a bad eventId",
            foreign_envelope("{}").replace(r#""e-1""#, "[]"),
            foreign,
        ),
        Case::rejected(
            "a bad user comes before not completed",
            onboarding_envelope(&format!(r#"{{"userId":"","completedAt":"never",{bad}}}"#)),
            Reason::BadUser,
        ),
        Case::onboarding(
            "not completed comes before a bad time and bad values",
            onboarding_envelope(&format!(r#"{{"userId":"u-1","completedAt":"never",{bad}}}"#))
                .replace(r#""e-1""#, "[]"),
            Expected::Skipped(Skip::NotCompleted),
        ),
        Case::rejected(
            "a bad time comes before bad values",
            onboarding_envelope(&format!(r#"{{"completedAt":"never",{}}}"#, bad.replace("false", "7"))),
            Reason::BadTime,
        ),
        Case::rejected(
            "future-dated comes before bad values",
            onboarding_envelope(r#"{"completedAt":"2027-01-01T00:00:00Z","profile":7}"#),
            Reason::FutureDated,
        ),
        Case::update(
            "a bad value comes before nothing carried",
            update_envelope("{}").replace(r#""e-1""#, "[]"),
            Expected::Rejected(Reason::BadValue),
        ),
    ]
}

#[test]
fn a_payload_has_the_same_outcome_before_and_after_its_event_type() {
    let payload = |inner: &str| format!(r#"{{"userId":"u-1","profile":{{"preferences":{inner}}}}}"#);
    let payloads = [
        payload(r#"{"climate":{"preferences":["cold"]}}"#),
        payload(r#"{"climate":{"preferences":[]},"climate":{}}"#),
        payload(r#"{"budget":{"globalRange":{"min":1e999,"max":2}}}"#),
        payload(r#"{"climate":7}"#),
        r#"["no object"]"#.to_owned(),
        r#""no object""#.to_owned(),
        "null".to_owned(),
        r#"{"userId":"u-1""#.to_owned(),
    ];
    let decoded = |text: String| outcome(Kind::OnboardingCompleted, Some(b"u-1"), Some(text.as_bytes()), Some(NOW));
    for payload in payloads {
        for event_type in ["user.onboarding.completed", "user.profile.updated", r"user\u002eonboarding.completed"] {
            let event_type = format!(r#""eventType":"{event_type}""#);
            let before = decoded(format!(r#"{{{event_type},"eventId":"e-1","payload":{payload}}}"#));
            let after = decoded(format!(r#"{{"eventId":"e-1","payload":{payload},{event_type}}}"#));
            // If the object itself does not end, the column of the error depends on the text after it.
            let without_place = |decoded: Decoded| match decoded {
                Decoded::Rejected(rejection) if rejection.detail.starts_with("the value") => {
                    Decoded::Rejected(Rejection::new(rejection.reason, "the value"))
                }
                other => other,
            };
            assert_eq!(without_place(before), without_place(after), "{event_type}, {payload}");
        }
    }
}
