//! Records with the outcome that each must have: the rules of decoding as a table, a case a sentence.
//!
//! [`corpus`] is plain data, so that a test with a real topic can produce the same records and check their outcomes.
//! Such a test leaves out cases that a broker does not take: those without a timestamp or with a value over a topic's limit.

mod framing;
mod identity;
mod preferences;
mod properties;

use std::collections::HashSet;

use segmenter::codec;
use segmenter::codec::{Decoded, Limits, RawRecord};
use segmenter::domain::event::{Body, Kind, Reason, Skip};
use segmenter::domain::section::Section;

/// The time of the records and of most events in them.
pub const NOW: i64 = 1_769_682_030_000;
/// [`NOW`] as text.
pub const NOW_TEXT: &str = "2026-01-29T10:20:30Z";
/// The user of most records.
pub const USER: &str = "u-1";
/// The id of most events that have one.
pub const EVENT_ID: &str = "e-1";

/// One record and its outcome.
#[derive(Debug, Clone)]
pub struct Case {
    /// A sentence, unique in the corpus.
    pub name: String,
    pub kind: Kind,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub timestamp: Option<i64>,
    pub expected: Expected,
}

impl Case {
    /// The reason for which it must be dead-lettered, if it must be.
    pub fn rejected_for(&self) -> Option<Reason> {
        match self.expected {
            Expected::Rejected(reason) => Some(reason),
            Expected::Event { .. } | Expected::Skipped(_) => None,
        }
    }
}

/// The outcome that a record must have.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    Event { user: String, time: i64, id: String, body: Body, key_differs: bool },
    Skipped(Skip),
    Rejected(Reason),
}

/// Every case.
pub fn corpus() -> Vec<Case> {
    let mut cases = framing::cases();
    cases.extend(identity::cases());
    cases.extend(preferences::cases());
    cases
}

impl Expected {
    fn event(id: &str, body: Body) -> Self {
        Self::Event { user: USER.to_owned(), time: NOW, id: id.to_owned(), body, key_differs: false }
    }

    /// An enveloped completion.
    fn onboarding(sections: Vec<Section>) -> Self {
        Self::event(EVENT_ID, Body::Onboarding(sections))
    }

    /// An enveloped update.
    fn update(sections: Vec<Section>) -> Self {
        Self::event(EVENT_ID, Body::Update(sections))
    }

    fn user(self, name: &str) -> Self {
        match self {
            Self::Event { time, id, body, key_differs, .. } => {
                Self::Event { user: name.to_owned(), time, id, body, key_differs }
            }
            other => other,
        }
    }

    fn at(self, at: i64) -> Self {
        match self {
            Self::Event { user, id, body, key_differs, .. } => Self::Event { user, time: at, id, body, key_differs },
            other => other,
        }
    }

    fn key_differs(self) -> Self {
        match self {
            Self::Event { user, time, id, body, .. } => Self::Event { user, time, id, body, key_differs: true },
            other => other,
        }
    }
}

impl Case {
    /// A record of `kind` keyed by [`USER`] at [`NOW`].
    fn new(name: &str, kind: Kind, value: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            key: Some(USER.into()),
            value: Some(value.into()),
            timestamp: Some(NOW),
            expected,
        }
    }

    fn onboarding(name: &str, value: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self::new(name, Kind::OnboardingCompleted, value, expected)
    }

    fn update(name: &str, value: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self::new(name, Kind::ProfileUpdated, value, expected)
    }

    fn rejected(name: &str, value: impl Into<Vec<u8>>, reason: Reason) -> Self {
        Self::onboarding(name, value, Expected::Rejected(reason))
    }

    fn tombstone(name: &str, expected: Expected) -> Self {
        Self { value: None, ..Self::onboarding(name, "", expected) }
    }

    fn keyed(self, key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    fn unkeyed(self) -> Self {
        Self { key: None, ..self }
    }

    fn stamped(self, timestamp: Option<i64>) -> Self {
        Self { timestamp, ..self }
    }
}

/// An onboarding envelope with this payload.
fn onboarding_envelope(payload: &str) -> String {
    format!(
        r#"{{"eventId":"{EVENT_ID}","eventType":"user.onboarding.completed","timestamp":"{NOW_TEXT}","payload":{payload}}}"#
    )
}

/// An update envelope with this payload.
fn update_envelope(payload: &str) -> String {
    format!(
        r#"{{"eventId":"{EVENT_ID}","eventType":"user.profile.updated","timestamp":"{NOW_TEXT}","payload":{payload}}}"#
    )
}

/// A completion of [`USER`] at [`NOW`] with these preferences.
fn completion(preferences: &str) -> String {
    onboarding_envelope(&format!(
        r#"{{"userId":"{USER}","profile":{{"preferences":{preferences}}},"completedAt":"{NOW_TEXT}"}}"#
    ))
}

fn outcome(kind: Kind, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: Option<i64>) -> Decoded {
    let record = RawRecord { kind, topic: "in", partition: 3, offset: 42, key, value, timestamp, traceparent: None };
    codec::decode(&record, &Limits::default())
}

fn summary(decoded: Decoded) -> Expected {
    match decoded {
        Decoded::Event(event) => Expected::Event {
            user: event.user.as_str().to_owned(),
            time: event.stamp.time.0,
            id: event.stamp.id.as_ref().to_owned(),
            body: event.body,
            key_differs: event.key_differs,
        },
        Decoded::Skipped(skip) => Expected::Skipped(skip),
        Decoded::Rejected(rejection) => Expected::Rejected(rejection.reason),
    }
}

#[test]
fn every_record_of_the_corpus_has_its_documented_outcome() {
    let wrong: Vec<_> = corpus()
        .into_iter()
        .filter_map(|case| {
            let decoded = outcome(case.kind, case.key.as_deref(), case.value.as_deref(), case.timestamp);
            let found = summary(decoded.clone());
            (found != case.expected)
                .then(|| format!("{}\n  expected {:?}\n  found    {decoded:?}", case.name, case.expected))
        })
        .collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_corpus_has_every_outcome_a_decoder_can_give_and_no_name_twice() {
    let cases = corpus();
    for skip in Skip::ALL {
        assert!(cases.iter().any(|case| case.expected == Expected::Skipped(skip)), "{skip:?}");
    }
    for reason in Reason::ALL {
        // The database finds the first two, a panic is the third.
        let decidable = !matches!(reason, Reason::UnknownUser | Reason::RejectedByDatabase | Reason::Internal);
        assert_eq!(cases.iter().any(|case| case.expected == Expected::Rejected(reason)), decidable, "{reason:?}");
    }
    let names: HashSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len());
}
