//! `explain --jsonl`: reads one profile per line as JSON, writes one explanation per line.
//!
//! Stores nothing. A line has `id` (any JSON, repeated in the answer), `preferences` (as in an event) and, optionally,
//! `dateOfBirth` and `at`, the time (RFC 3339) at which ages are computed; other members are ignored.

use std::io::{BufRead, Write};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::explain::Explanation;
use crate::codec::{json, time};
use crate::domain::event::{DECODER_VERSION, Millis, Reason, Rejection, Stamp};
use crate::domain::fold::engine_input;
use crate::domain::profile::Profile;
use crate::domain::scoring::{self, Catalog};
use crate::domain::section::Section;

/// The numbers of explained and refused lines. A run with refused lines ends with exit code 4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    pub explained: u64,
    pub refused: u64,
}

/// Answers each line of `input` with the explanation of its profile; ages are computed at the line's `at`, else at
/// `now`.
///
/// # Errors
/// `input` cannot be read or `output` cannot be written to.
pub fn explain_jsonl(
    input: impl BufRead,
    output: impl Write,
    catalog: &Catalog,
    now: Millis,
) -> anyhow::Result<Summary> {
    explain_lines(input, output, now, |sections, at| {
        Explanation::of(&scoring::segment(&engine_input(&profile_of(sections, at), at), catalog), catalog)
    })
}

/// A profile whose sections were all written at `at`.
pub(crate) fn profile_of(sections: Vec<Section>, at: Millis) -> Profile {
    Profile::of_onboarding(&Stamp { time: at, id: "".into(), decoder: DECODER_VERSION }, sections)
}

/// The sections and the time of one case.
pub fn case(text: &[u8], now: Millis) -> Result<(Vec<Section>, Millis), Rejection> {
    profile(&parse(text)?, now)
}

/// Answers each line of `input` with the result of `explain` for the profile's sections and its time, else `now`.
///
/// Blank lines are skipped. A line without a valid profile is answered with an `error` of `reason` and `detail`, and
/// the run continues.
///
/// # Errors
/// `input` cannot be read or `output` cannot be written to.
fn explain_lines<E: Serialize>(
    input: impl BufRead,
    mut output: impl Write,
    now: Millis,
    explain: impl Fn(Vec<Section>, Millis) -> E,
) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    for line in input.split(b'\n') {
        let line = line.context("reading a profile")?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let (id, profile) = match parse(&line) {
            Ok(line) => (line.id, profile(&line, now)),
            Err(rejection) => (None, Err(rejection)),
        };
        let id = id.unwrap_or(RawValue::NULL);
        let result = match profile {
            Ok((sections, at)) => {
                summary.explained += 1;
                Outcome::Explained(explain(sections, at))
            }
            Err(Rejection { reason, detail }) => {
                summary.refused += 1;
                Outcome::Refused { error: Refused { reason: reason.as_str(), detail } }
            }
        };
        let mut answer = serde_json::to_vec(&Answer { id, result }).context("encoding an answer")?;
        answer.push(b'\n');
        output.write_all(&answer).context("writing an answer")?;
    }
    output.flush().context("writing an answer")?;
    Ok(summary)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    preferences: Option<&'a RawValue>,
    #[serde(default)]
    date_of_birth: Value,
    #[serde(default)]
    at: Value,
}

#[derive(Serialize)]
struct Answer<'a, E> {
    id: &'a RawValue,
    #[serde(flatten)]
    result: Outcome<E>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<E> {
    Explained(E),
    Refused { error: Refused },
}

#[derive(Serialize)]
struct Refused {
    reason: &'static str,
    detail: String,
}

fn parse(line: &[u8]) -> Result<Line<'_>, Rejection> {
    // serde would accept a list of the members in their order.
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(Rejection::new(Reason::Malformed, "the line is not a JSON object"));
    }
    serde_json::from_slice(line).map_err(|error| {
        let detail = format!("the line is not JSON, or has a duplicate key, at column {}", error.column());
        Rejection::new(Reason::Malformed, detail)
    })
}

fn profile(line: &Line<'_>, now: Millis) -> Result<(Vec<Section>, Millis), Rejection> {
    let at = match &line.at {
        Value::Null => now,
        Value::String(text) => time::parse_rfc3339(text).ok_or_else(bad_time)?,
        _ => return Err(bad_time()),
    };
    let date_of_birth = match &line.date_of_birth {
        Value::Null => None,
        Value::String(text) => Some(text.as_str()),
        _ => return Err(Rejection::new(Reason::BadValue, "dateOfBirth: must be a string")),
    };
    let preferences =
        line.preferences.ok_or_else(|| Rejection::new(Reason::BadValue, "preferences: must be an object"))?;
    Ok((json::decode_preferences(preferences.get(), date_of_birth)?, at))
}

fn bad_time() -> Rejection {
    Rejection::new(Reason::BadTime, "at: must be an RFC 3339 time with an offset, 1970 to 9999")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(input: &[u8]) -> (Summary, Vec<Value>) {
        let mut output = Vec::new();
        let explain = |sections: Vec<Section>, at: Millis| serde_json::json!({"sections": sections.len(), "at": at.0});
        let summary = explain_lines(input, &mut output, Millis(7), explain).expect("memory reads and writes");
        let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        (summary, lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect())
    }

    fn reason(line: &str) -> Value {
        let (summary, answers) = answers(line.as_bytes());
        assert_eq!(summary, Summary { explained: 0, refused: 1 }, "{line}");
        answers[0]["error"]["reason"].clone()
    }

    #[test]
    fn each_line_is_answered_under_its_own_id_and_blank_ones_are_skipped() {
        let input = "{\"id\":[1,\"a\"],\"preferences\":{\"climate\":{}}}\r\n\n  \t\n\
            {\"preferences\":{},\"dateOfBirth\":\"1980-01-02\",\"at\":\"1970-01-01T00:00:09Z\",\"expected\":{}}";
        let (summary, answers) = answers(input.as_bytes());
        assert_eq!(summary, Summary { explained: 2, refused: 0 });
        assert_eq!(answers[0], serde_json::json!({"id": [1, "a"], "sections": 1, "at": 7}));
        assert_eq!(answers[1], serde_json::json!({"id": null, "sections": 1, "at": 9000}));
    }

    #[test]
    fn a_refused_line_is_answered_with_its_reason_and_the_run_continues() {
        let input = b"{\"id\":1,\"preferences\":{\"travel\":[]}}\n\xff\n{\"id\":3,\"preferences\":{}}\n";
        let (summary, answers) = answers(input);
        assert_eq!(summary, Summary { explained: 1, refused: 2 });
        let error = serde_json::json!({"reason": "bad_value", "detail": "preferences.travel: must be an object"});
        assert_eq!(answers[0], serde_json::json!({"id": 1, "error": error}));
        assert_eq!((&answers[1]["id"], &answers[1]["error"]["reason"]), (&Value::Null, &Value::from("malformed")));
        assert_eq!(answers[2]["id"], 3);
    }

    #[test]
    fn an_invalid_profile_is_refused_like_an_event() {
        for line in ["{", "[1,{}]", "7", r#"{"preferences":{},"preferences":{}}"#, r#"{"preferences":{"x":1,"x":1}}"#] {
            assert_eq!(reason(line), "malformed", "{line}");
        }
        for line in [
            "{}",
            r#"{"preferences":null}"#,
            r#"{"preferences":[]}"#,
            r#"{"preferences":{},"dateOfBirth":7}"#,
            r#"{"preferences":{},"dateOfBirth":"1981-02-29"}"#,
        ] {
            assert_eq!(reason(line), "bad_value", "{line}");
        }
        for at in ["7", "\"\"", "\"2026-01-29\""] {
            assert_eq!(reason(&format!(r#"{{"preferences":{{}},"at":{at}}}"#)), "bad_time", "{at}");
        }
    }

    #[test]
    fn every_golden_profile_is_read() {
        let golden = include_str!("../../tests/golden/engine-cases.jsonl");
        let (summary, _) = answers(golden.as_bytes());
        assert_eq!(summary, Summary { explained: 500, refused: 0 });
    }
}
