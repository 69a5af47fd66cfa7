//! The JSON Schemas agree with the decoder on the whole corpus, except for rules that a schema cannot express.

use std::io::Write;
use std::process::{Command, Stdio};

use segmenter::codec::json_schema;
use segmenter::domain::event::{Kind, Reason};
use serde_json::{Value, json};

use crate::decoding_corpus::{Case, Expected, corpus};

/// Whether an independent validator accepts each value.
fn validity(cases: &[(Kind, Value)]) -> Vec<bool> {
    const SCRIPT: &str = "\
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
validators = {kind: Draft202012Validator(schema) for kind, schema in given['schemas'].items()}
for schema in given['schemas'].values():
    Draft202012Validator.check_schema(schema)
print(json.dumps([validators[case['kind']].is_valid(case['value']) for case in given['cases']]))
";
    let name = |kind: Kind| kind.event_type();
    let kinds = [Kind::OnboardingCompleted, Kind::ProfileUpdated];
    let schemas: serde_json::Map<String, Value> =
        kinds.into_iter().map(|kind| (name(kind).to_owned(), json_schema(kind))).collect();
    let cases: Vec<Value> = cases.iter().map(|(kind, value)| json!({"kind": name(*kind), "value": value})).collect();
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .env("PYTHONPATH", format!("{}/target/python", env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let given = json!({"schemas": schemas, "cases": cases}).to_string();
    python.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The cases of the corpus that are JSON objects, with their values.
fn json_cases() -> Vec<(Case, Value)> {
    let parse = |case: Case| {
        let value: Value = serde_json::from_slice(case.value.as_deref()?).ok()?;
        value.is_object().then_some((case, value))
    };
    corpus().into_iter().filter_map(parse).collect()
}

#[test]
fn the_schema_accepts_every_value_that_decoding_accepts() {
    let accepted: Vec<(Case, Value)> =
        json_cases().into_iter().filter(|(case, _)| matches!(case.expected, Expected::Event { .. })).collect();
    assert!(accepted.len() > 50, "{} cases", accepted.len());
    let validity = validity(&accepted.iter().map(|(case, value)| (case.kind, value.clone())).collect::<Vec<_>>());
    let wrong: Vec<&str> =
        accepted.iter().zip(validity).filter(|(_, valid)| !valid).map(|((case, _), _)| case.name.as_str()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_schema_rejects_every_bad_value_that_it_can_express() {
    let rejected: Vec<(Case, Value)> = json_cases()
        .into_iter()
        .filter(|(case, _)| matches!(case.rejected_for(), Some(Reason::BadValue | Reason::BadUser)))
        .collect();
    assert!(rejected.len() > 50, "{} cases", rejected.len());
    let validity = validity(&rejected.iter().map(|(case, value)| (case.kind, value.clone())).collect::<Vec<_>>());
    let passed: Vec<&str> =
        rejected.iter().zip(validity).filter(|(_, valid)| *valid).map(|((case, _), _)| case.name.as_str()).collect();
    let is_inexpressible = |name: &&&str| INEXPRESSIBLE.iter().any(|part| name.contains(part));
    let missed: Vec<&&str> = passed.iter().filter(|name| !is_inexpressible(name)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Parts of the names of cases with a rule that no schema expresses: between two fields, of the calendar, of bytes, of the
/// record's key.
const INEXPRESSIBLE: [&str; 5] = ["eventId of 256 bytes", "a key ", "an empty key", r#""min":2.0001"#, "1981-02-29"];
