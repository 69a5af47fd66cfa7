//! The engine against the cases agreed with the recommenders: every number within 1e-9, or equal to the last bit where that
//! decides the ranking; every ranking identical.

use segmenter::cli::explain::explain_jsonl;
use segmenter::domain::event::Millis;
use segmenter::domain::scoring::Catalog;
use serde_json::{Value, json};

const CASES: &str = include_str!("golden/engine-cases.jsonl");
/// Cases whose best scores differ only in their last bits.
const TIES: &str = include_str!("golden/tie-cases.jsonl");
const TOLERANCE: f64 = 1e-9;

fn explain(input: &str) -> Vec<Value> {
    let mut output = Vec::new();
    let catalog = Catalog::builtin().unwrap();
    explain_jsonl(input.as_bytes(), &mut output, &catalog, Millis(1_767_225_600_000)).unwrap();
    String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The places where `found` differs from `expected`; numbers may differ by `tolerance`.
fn differences(path: &str, expected: &Value, found: &Value, tolerance: f64, into: &mut Vec<String>) {
    match (expected, found) {
        (Value::Number(one), Value::Number(other)) => {
            if (one.as_f64().unwrap() - other.as_f64().unwrap()).abs() > tolerance {
                into.push(format!("{path}: {one} expected, {other} found"));
            }
        }
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let absent = Value::String("absent".to_owned());
                let (one, other) = (one.get(key).unwrap_or(&absent), other.get(key).unwrap_or(&absent));
                differences(&format!("{path}.{key}"), one, other, tolerance, into);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (place, (one, other)) in one.iter().zip(other).enumerate() {
                differences(&format!("{path}[{place}]"), one, other, tolerance, into);
            }
        }
        (one, other) if one == other => {}
        (one, other) => into.push(format!("{path}: {one} expected, {other} found")),
    }
}

/// Explains all `count` of `cases`; `stated` reduces an answer to the parts that a case states.
fn assert_as_agreed(cases: &str, count: usize, tolerance: f64, stated: impl Fn(Value) -> Value) {
    let explained = explain(cases);
    let cases: Vec<Value> = cases.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((cases.len(), explained.len()), (count, count));
    let mut wrong = Vec::new();
    for (case, mut found) in cases.into_iter().zip(explained) {
        let id = found.as_object_mut().unwrap().remove("id").unwrap();
        assert_eq!(id, case["id"]);
        differences(&format!("case {id}"), &case["expected"], &stated(found), tolerance, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} differences, the first: {:#?}", wrong.len(), &wrong[..wrong.len().min(10)]);
}

#[test]
fn the_golden_cases_come_out_as_agreed() {
    assert_as_agreed(CASES, 500, TOLERANCE, |found| found);
}

#[test]
fn cases_that_the_last_bits_decide_come_out_equal_to_the_last_bit() {
    assert_as_agreed(TIES, 400, 0.0, |found| {
        let ranking: Vec<&Value> =
            found["segments"].as_array().unwrap().iter().map(|ranked| &ranked["segment"]).collect();
        json!({"dimensions": found["dimensions"], "scores": found["scores"], "segments": ranking})
    });
}

#[test]
fn a_case_in_a_file_is_explained_as_tables_or_as_json() {
    let folder = std::env::temp_dir().join(format!("segmenter-explain-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("case.json");
    std::fs::write(&path, CASES.lines().next().unwrap()).unwrap();
    let run = |arguments: &[&str]| {
        let program = std::process::Command::new(env!("CARGO_BIN_EXE_segmenter")).args(arguments).output().unwrap();
        assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
        String::from_utf8(program.stdout).unwrap()
    };
    let table = run(&["explain", "--file", path.to_str().unwrap()]);
    let has = |row: &str| table.lines().any(|line| line.split_whitespace().eq(row.split_whitespace()));
    assert!(has("FAMILY_EXPLORER 0.705") && has("ACTIVITY_MATCH The pace of activities fits"), "{table}");
    let json: Value = serde_json::from_str(&run(&["explain", "--json", "--file", path.to_str().unwrap()])).unwrap();
    assert_eq!(json["segments"][0]["segment"], "FAMILY_EXPLORER");
    std::fs::remove_dir_all(&folder).unwrap();
}
