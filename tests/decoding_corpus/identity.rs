//! Users, times, tombstones and completions.

use segmenter::domain::event::{Body, Reason, Skip};

use super::*;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = users();
    cases.extend(times());
    cases.extend(tombstones());
    cases.extend(completions());
    cases
}

fn completed() -> Expected {
    Expected::onboarding(vec![])
}

/// A completion whose payload has these members beside its time.
fn with(members: &str) -> String {
    onboarding_envelope(&format!(r#"{{{members},"completedAt":"{NOW_TEXT}"}}"#))
}

fn users() -> Vec<Case> {
    let longest = "🧳".repeat(191);
    let quoted = |id: &str| with(&format!(r#""userId":"{id}""#));
    let mut cases = vec![
        Case::onboarding(
            "the payload's user comes first",
            with(r#""userId":"u-1","profile":{"userId":"u-2"}"#),
            completed(),
        ),
        Case::onboarding(
            "the profile's user comes second",
            with(r#""userId":null,"profile":{"userId":"u-1"}"#),
            completed(),
        ),
        Case::onboarding("the key comes last", with(r#""profile":{"userId":null}"#), completed()),
        Case::update(
            "an update's profile may name the user",
            update_envelope(&format!(
                r#"{{"updatedAt":"{NOW_TEXT}","profile":{{"userId":"u-9"}},"preferences":{{"climate":{{}}}}}}"#
            )),
            Expected::update(vec![Section::Climate(Default::default())]).user("u-9").key_differs(),
        ),
        Case::onboarding(
            "a key that names another user is accepted and counted",
            with(r#""userId":"u-1""#),
            completed().key_differs(),
        )
        .keyed("u-2"),
        Case::onboarding(
            "a key that is no text is another user's",
            with(r#""userId":"u-1""#),
            completed().key_differs(),
        )
        .keyed([0xff]),
        Case::onboarding("a user needs no key", with(r#""userId":"u-1""#), completed()).unkeyed(),
        Case::rejected("no user anywhere is a missing user", with(r#""profile":{}"#), Reason::MissingUser).unkeyed(),
        Case::rejected("a key that is no text is a bad user", with(r#""profile":{}"#), Reason::BadUser).keyed([0xff]),
        Case::rejected("an empty key is a bad user", with(r#""profile":{}"#), Reason::BadUser).keyed(""),
        Case::rejected("a key with NUL is a bad user", with(r#""profile":{}"#), Reason::BadUser).keyed("a\0"),
        Case::onboarding("a user of 191 code points is accepted", quoted(&longest), completed().user(&longest))
            .keyed(longest.clone()),
        Case::rejected("a user of 192 code points is bad", quoted(&format!("{longest}x")), Reason::BadUser),
        Case::rejected("a key of 192 code points is a bad user", with(r#""x":1"#), Reason::BadUser)
            .keyed(format!("{longest}x")),
        Case::onboarding("a user is not trimmed", quoted(" u-1 "), completed().user(" u-1 ").key_differs()),
        Case::onboarding("a user is unescaped", quoted(r"u\u002d1"), completed()),
    ];
    for id in ["7", "\"\"", "false", "[]", "{}", r#""a\u0000b""#, r#"["u-1"]"#, r#"{"\ud800":1e400}"#] {
        let first = with(&format!(r#""userId":{id},"profile":{{"userId":"u-1"}}"#));
        cases.push(Case::rejected(&format!("the user {id} is bad, never the next"), first, Reason::BadUser));
        let second = with(&format!(r#""profile":{{"userId":{id}}}"#));
        cases.push(Case::rejected(&format!("the profile's user {id} is bad, never the key"), second, Reason::BadUser));
    }
    cases
}

fn times() -> Vec<Case> {
    let at = |time: &str| onboarding_envelope(&format!(r#"{{"completedAt":{time}}}"#));
    let bare = |time: &str| format!(r#"{{"completedAt":{time}}}"#);
    let bare_at = |at: i64| Expected::event("", Body::Onboarding(Vec::new())).at(at);
    let untimed = onboarding_envelope("{}").replace("2026-01-29T10:20:30Z", "never");
    let mut cases = vec![
        Case::onboarding("the payload's time comes first", at(r#""2026-01-29T10:20:29Z""#), completed().at(NOW - 1000)),
        Case::onboarding(
            "an unused envelope time is not checked",
            at(r#""2026-01-29T10:20:30Z""#).replace(r#""timestamp":"2026-01-29T10:20:30Z""#, r#""timestamp":7"#),
            completed(),
        ),
        Case::onboarding("the envelope's time comes second", at("null"), completed()).stamped(Some(NOW + 7)),
        Case::onboarding("the record's time comes last", bare("null"), bare_at(NOW + 7)).stamped(Some(NOW + 7)),
        Case::rejected("a bad envelope time is bad, never the record's", untimed, Reason::BadTime),
        Case::update(
            "an update's time is updatedAt",
            update_envelope(r#"{"updatedAt":"2026-01-29T10:20:29.5Z","completedAt":7,"preferences":{"climate":{}}}"#),
            Expected::update(vec![Section::Climate(Default::default())]).at(NOW - 500),
        ),
        Case::onboarding("an offset is taken off", at(r#""2026-01-29T12:20:30+02:00""#), completed()),
        Case::onboarding("lower-case t and z are RFC 3339", at(r#""2026-01-29t10:20:30z""#), completed()),
        Case::onboarding("a fraction is floored", at(r#""2026-01-29T10:20:29.9999999Z""#), completed().at(NOW - 1)),
        Case::onboarding("1970 begins time", at(r#""1970-01-01T00:00:00Z""#), completed().at(0)),
        Case::onboarding("9999 ends time", bare(r#""9999-12-31T23:59:59.9999Z""#), bare_at(253_402_300_799_999))
            .stamped(None),
        Case::rejected("no time at all is bad", bare("null"), Reason::BadTime).stamped(None),
        Case::rejected("a record time of -1 is none", bare("null"), Reason::BadTime).stamped(Some(-1)),
        Case::rejected("a record time beyond 9999 is bad", bare("null"), Reason::BadTime)
            .stamped(Some(253_402_300_800_000)),
        Case::onboarding("5 minutes after the record is accepted", at(r#""2026-01-29T10:25:30Z""#), {
            completed().at(NOW + 300_000)
        }),
        Case::rejected("a ms more is future-dated", at(r#""2026-01-29T10:25:30.001Z""#), Reason::FutureDated),
        Case::onboarding("a record without a time does not limit the event's time", at(r#""2990-01-01T00:00:00Z""#), {
            completed().at(32_188_147_200_000)
        })
        .stamped(Some(-1)),
        Case::onboarding("the largest record time does not overflow", at(r#""2026-01-29T10:20:30Z""#), completed())
            .stamped(Some(i64::MAX)),
    ];
    let bad = [
        "\"\"",
        "7",
        "true",
        "{}",
        "[]",
        "\"2026-01-29\"",
        "\"2026-01-29T10:20:30\"",
        "\"2026-01-29 10:20:30Z\"",
        "\"2026-01-29T10:20:60Z\"",
        "\"2026-02-30T10:20:30Z\"",
        "\"1969-12-31T23:59:59Z\"",
        "\"9999-12-31T23:59:59-00:01\"",
        "\"2026-01-29T10:20:30+24:00\"",
        "\"1769682030000\"",
    ];
    for time in bad {
        cases.push(Case::rejected(&format!("the time {time} is bad, never the next"), at(time), Reason::BadTime));
    }
    cases
}

fn tombstones() -> Vec<Case> {
    let erased = Expected::event("", Body::Tombstone);
    let bad_user = Expected::Rejected(Reason::BadUser);
    let bad_time = Expected::Rejected(Reason::BadTime);
    vec![
        Case::tombstone("a tombstone erases at its record's time", erased.clone().at(NOW - 9)).stamped(Some(NOW - 9)),
        Case { kind: Kind::ProfileUpdated, ..Case::tombstone("a tombstone erases among updates too", erased) },
        Case::tombstone("a tombstone with an empty key is a bad user", bad_user.clone()).keyed(""),
        Case::tombstone("a tombstone whose key is no text is a bad user", bad_user.clone()).keyed([0xc3, 0x28]),
        Case::tombstone("a tombstone with NUL in its key is a bad user", bad_user).keyed("\0"),
        Case::tombstone("a tombstone with a record time of -1 is a bad time", bad_time.clone()).stamped(Some(-1)),
        Case::tombstone("a tombstone without a record time is a bad time", bad_time.clone()).stamped(None),
        Case::tombstone("a tombstone beyond 9999 is a bad time", bad_time).stamped(Some(i64::MAX)),
    ]
}

fn completions() -> Vec<Case> {
    let flagged = |flag: &str| with(&format!(r#""profile":{{"isOnboardingCompleted":{flag}}}"#));
    let rejected = |name: &str, members: &str| Case::rejected(name, with(members), Reason::BadValue);
    let updated = |members: &str| update_envelope(&format!(r#"{{"updatedAt":"{NOW_TEXT}",{members}}}"#));
    let nothing = || Expected::Skipped(Skip::NothingCarried);
    vec![
        Case::onboarding("true is a completion", flagged("true"), completed()),
        Case::onboarding("a null flag is a completion", flagged("null"), completed()),
        Case::onboarding("false is none", flagged("false"), Expected::Skipped(Skip::NotCompleted)),
        Case::rejected("a flag that is no boolean is a bad value", flagged("\"false\""), Reason::BadValue),
        Case::onboarding("no profile is a completion", with(r#""x":1"#), completed()),
        Case::onboarding("a null profile is a completion", with(r#""profile":null"#), completed()),
        Case::onboarding("null preferences are a completion", with(r#""profile":{"preferences":null}"#), completed()),
        rejected("a profile that is a list is a bad value", r#""profile":[]"#),
        rejected("a profile that is a string is a bad value", r#""profile":"{}""#),
        rejected("preferences that are a list are a bad value", r#""profile":{"preferences":[]}"#),
        Case::onboarding(
            "a completion's own preferences are not read",
            with(r#""preferences":{"budget":{}}"#),
            completed(),
        ),
        Case::onboarding(
            "a completion's date of birth is not read",
            with(r#""profile":{"dateOfBirth":7}"#),
            completed(),
        ),
        Case::update("an update without anything is skipped", updated(r#""x":1"#), nothing()),
        Case::update("an update of the name alone is skipped", updated(r#""profile":{"firstName":"A"}"#), nothing()),
        Case::update("an update of null sections is skipped", updated(r#""preferences":{"budget":null}"#), nothing()),
        Case::update("an update of unknown sections is skipped", updated(r#""preferences":{"timing":{}}"#), nothing()),
        Case::update(
            "an update's null date of birth is nothing",
            updated(r#""profile":{"dateOfBirth":null}"#),
            nothing(),
        ),
        Case::update(
            "an update's completeness and flag are not read",
            updated(r#""profile":{"isOnboardingCompleted":false,"metadata":7,"preferences":[]}"#),
            nothing(),
        ),
        Case::update("an update's profile that is a list is a bad value", updated(r#""profile":[]"#), {
            Expected::Rejected(Reason::BadValue)
        }),
    ]
}
