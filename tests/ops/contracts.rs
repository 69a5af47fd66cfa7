//! The contracts in `schemas/`: equal to the program's, accepted by the tools of their communities, and kept by real answers and
//! records.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use segmenter::http::status::Board;
use segmenter::http::{self, Access, Pages};
use segmenter::runtime::health::Health;
use segmenter::runtime::stop::Stop;
use segmenter::telemetry::metrics::Metrics;
use serde_json::{Value, json};

use super::tools::{list, printed, python, read, root, text};
use crate::scene::{Numbers, Scene, onboarding_event, record};
use crate::support::{OwnedRecord, Record, Response, http as ask, http_get};

const CONTRACTS: [(&str, &str); 5] = [
    ("asyncapi", "schemas/asyncapi.yaml"),
    ("openapi", "schemas/openapi.json"),
    ("onboarding-completed", "schemas/json/onboarding-completed.schema.json"),
    ("profile-updated", "schemas/json/profile-updated.schema.json"),
    ("segment-changed", "schemas/json/segment-changed.schema.json"),
];

#[test]
fn every_contract_is_what_the_program_prints() {
    for (name, path) in CONTRACTS {
        let mut command = Command::new(env!("CARGO_BIN_EXE_segmenter"));
        let now = printed(command.args(["schema", "print", name]).env_clear(), "");
        assert!(read(path) == now, "{path} is not the program's; run: segmenter schema print {name} > {path}");
    }
}

/// A JSON file of the tree.
fn json_file(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

/// Checks values against schemas, each with a name for the message; formats count too.
fn assert_valid(cases: &[(String, Value, Value)]) {
    const CHECK: &str = "\
import json, sys
from openapi_schema_validator import OAS31Validator, oas31_format_checker
for name, schema, value in json.load(sys.stdin):
    for error in OAS31Validator(schema, format_checker=oas31_format_checker).iter_errors(value):
        print(name, error.json_path, error.message)
";
    assert!(!cases.is_empty());
    let found = printed(&mut python(&["-c", CHECK]), &json!(cases).to_string());
    assert!(found.is_empty(), "{found}");
}

#[test]
fn every_example_is_valid() {
    let case = |name: &str| {
        let schema = json_file(&format!("schemas/json/{name}.schema.json"));
        (name.to_owned(), schema, json_file(&format!("schemas/examples/{name}.json")))
    };
    assert_valid(&["onboarding-completed", "profile-updated", "segment-changed"].map(case));
}

/// The name, kind and text of every field of an Avro record, below `path`.
fn avro_fields(path: &str, avro: &Value, found: &mut BTreeSet<(String, String, String)>) {
    for field in list(avro, "/fields") {
        let path = format!("{path}/{}", text(field, "/name"));
        let mut kind = &field["type"];
        let is_nullable = kind.is_array();
        if is_nullable {
            kind = &kind[1];
        }
        let name = match kind.as_str().unwrap_or_else(|| text(kind, "/type")) {
            "long" => "integer",
            "double" => "number",
            "record" => "object",
            other => other,
        };
        // JSON leaves it out where Avro has null.
        let is_nullable = is_nullable && !path.ends_with("/replayId");
        let shown = if is_nullable { format!("{name} or null") } else { name.to_owned() };
        found.insert((path.clone(), shown, text(field, "/doc").to_owned()));
        avro_fields(&path, if name == "array" { &kind["items"] } else { kind }, found);
    }
}

/// The same of a JSON Schema.
fn json_fields(path: &str, schema: &Value, whole: &Value, found: &mut BTreeSet<(String, String, String)>) {
    let resolved = |schema: &Value| match schema["$ref"].as_str() {
        Some(reference) => whole.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => schema.clone(),
    };
    let schema = resolved(schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        let one = resolved(field);
        let kind = match &one["type"] {
            Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect::<Vec<_>>().join(" or "),
            kind => kind.as_str().unwrap().to_owned(),
        };
        found.insert((path.clone(), kind, text(field, "/description").to_owned()));
        json_fields(&path, if one["type"] == "array" { &one["items"] } else { &one }, whole, found);
    }
}

#[test]
fn the_json_schema_of_segment_changed_has_the_fields_and_texts_of_the_avro_schema() {
    let (mut avro, mut json) = (BTreeSet::new(), BTreeSet::new());
    avro_fields("", &json_file("schemas/segment-changed.avsc"), &mut avro);
    let schema = json_file("schemas/json/segment-changed.schema.json");
    json_fields("", &schema, &schema, &mut json);
    assert!(avro.len() > 20);
    let differing: Vec<_> = avro.symmetric_difference(&json).collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

/// The members below `schema` that may be null and may be absent too.
fn null_or_absent(schema: &Value, found: &mut Vec<String>) {
    let required = list(schema, "/required");
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let kinds = [&member["type"], &member["oneOf"]].map(Value::to_string).concat();
        if kinds.contains(r#""null""#) && !required.contains(&json!(name)) {
            found.push(name.clone());
        }
    }
    let (items, members) = (schema.as_array().into_iter().flatten(), schema.as_object().into_iter().flatten());
    items.chain(members.map(|(_, member)| member)).for_each(|below| null_or_absent(below, found));
}

#[test]
fn a_member_that_may_be_null_is_always_there() {
    let mut found = Vec::new();
    null_or_absent(&json_file("schemas/openapi.json"), &mut found);
    null_or_absent(&json_file("schemas/json/segment-changed.schema.json"), &mut found);
    assert!(found.is_empty(), "these lack #[schema(required)]: {found:?}");
}

/// A program among the packages of `tests/contracts`.
fn node_tool(name: &str) -> Command {
    let mut command = Command::new(root("target/contracts/node_modules/.bin").join(name));
    command.current_dir(root("target/contracts"));
    command
}

/// The AsyncAPI contract with every reference replaced, from AsyncAPI's own parser, which has to accept it without a warning.
fn parsed_asyncapi() -> Value {
    let script = include_str!("../contracts/asyncapi.mjs");
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", script]).arg(root("schemas/asyncapi.yaml"));
    serde_json::from_str(&printed(node.current_dir(root("target/contracts")), "")).unwrap()
}

#[test]
fn asyncapis_parser_accepts_the_contract() {
    let operations = parsed_asyncapi()["operations"].as_object().unwrap().len();
    assert_eq!(operations, 4);
}

#[test]
fn the_openapi_validator_accepts_the_contract() {
    printed(python(&["-m", "openapi_spec_validator", "--schema", "3.1"]).arg(root("schemas/openapi.json")), "");
}

#[test]
fn typescript_made_from_the_contracts_compiles_and_finds_wrong_uses() {
    let folder = tempfile::tempdir_in(root("target/contracts")).unwrap();
    let schema = root("schemas/json/segment-changed.schema.json");
    let types = printed(node_tool("json2ts").arg("--no-additionalProperties").arg(schema), "");
    fs::write(folder.path().join("segment-changed.d.ts"), types).unwrap();
    let types = folder.path().join("openapi.d.ts");
    printed(node_tool("openapi-typescript").arg(root("schemas/openapi.json")).arg("--output").arg(types), "");
    for source in ["docs/examples/recommender.ts", "tests/contracts/misuse.ts"] {
        let name = source.rsplit('/').next().unwrap();
        fs::copy(root(source), folder.path().join(name)).unwrap();
    }
    let files = ["recommender.ts", "misuse.ts"].map(|name| folder.path().join(name));
    let strict = ["--strict", "--noEmit", "--module", "nodenext", "--types", "node"];
    printed(node_tool("tsc").args(strict).args(files), "");
}

/// An answer to a request, with the path of the contract that describes it.
type Answer = (String, Response);

/// The answers of a service that has just started, without a database.
async fn answers_without_a_database() -> Vec<Answer> {
    let mut answers = Vec::new();
    for access in [Access::Closed, Access::Open] {
        let stop = Stop::default();
        let listener = http::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Health::default();
        health.expect(&["database"]);
        let board = Board::new(health, Metrics::new().unwrap(), Vec::new());
        let router = http::router(Pages { board, access, has_user_page: false });
        let server = tokio::spawn(http::serve(listener, None, router, stop.clone()));
        for path in ["/health", "/health/ready", "/v1/segments", "/api/status"] {
            answers.push((path.to_owned(), http_get(address, path).await));
        }
        answers.push((USER.to_owned(), http_get(address, "/v1/users/user-0/segments").await));
        stop.abandon();
        server.await.unwrap();
    }
    answers
}

const USER: &str = "/v1/users/{id}/segments";

/// The schema of an answer, as the contract has it for its path, status and content type.
fn schema_of(contract: &Value, path: &str, answer: &Response) -> Value {
    let described = &contract["paths"][path]["get"]["responses"][answer.status.to_string()];
    let content_type = answer.header("content-type").unwrap().split(';').next().unwrap();
    let mut schema = described["content"][content_type]["schema"].clone();
    assert!(schema.is_object(), "{path}: {} in {content_type} is not in the contract", answer.status);
    schema["components"] = contract["components"].clone();
    schema
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers_and_records_are_as_the_contracts_describe() {
    let scene = Scene::new(1).await;
    scene.add_users(2).await;
    for user in ["user-0", "user-1", "unknown"] {
        let event = onboarding_event(user, 1, &mut Numbers(1));
        let traced =
            record(user, &event).header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        scene.kafka.produce(&scene.onboarding, traced).await;
    }
    scene.kafka.produce(&scene.updates, Record::new("user-0", "{")).await;
    let process = scene.serve_with(&[("SEGMENTER_HTTP_TOKEN", "the-token")]);
    scene.settled().await;
    scene.kafka.produce(&scene.updates, Record::tombstone("user-1")).await;
    scene.settled().await;
    answers_are_described(process.http_address().await).await;
    records_are_described(&scene).await;
}

async fn answers_are_described(address: std::net::SocketAddr) {
    let contract = http_get(address, "/openapi.json").await.json();
    assert_eq!(contract, json_file("schemas/openapi.json"));
    let mut answers = answers_without_a_database().await;
    let routes: Vec<String> = contract["paths"].as_object().unwrap().keys().cloned().collect();
    for path in routes {
        let answer =
            ask(address, "GET", &path.replace("{id}", "user-0"), &[("authorization", "Bearer the-token")]).await;
        answers.push((path, answer.unwrap()));
    }
    for (id, token) in [("user-0", "other"), ("unknown-user", "the-token"), ("%ff", "the-token"), ("%00", "the-token")]
    {
        let header = format!("Bearer {token}");
        let path = format!("/v1/users/{id}/segments");
        answers.push((USER.to_owned(), ask(address, "GET", &path, &[("authorization", &header)]).await.unwrap()));
    }
    let cases: Vec<_> = answers
        .iter()
        .map(|(path, answer)| {
            let is_text = answer.header("content-type").unwrap().starts_with("text/");
            let body = if is_text { answer.body.clone().into() } else { answer.json() };
            (format!("{path} {}", answer.status), schema_of(&contract, path, answer), body)
        })
        .collect();
    assert_valid(&cases);
    let seen: BTreeSet<&str> = cases.iter().map(|(name, ..)| name.as_str()).collect();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for status in item["get"]["responses"].as_object().unwrap().keys() {
            let name = format!("{path} {status}");
            // A loop has to stall for minutes; any other error is none that can be provoked.
            let is_exempt = name == "/health/live 503" || status == "default";
            assert!(is_exempt || seen.contains(&*name), "{name} has not been seen");
        }
        let is_guarded = !item["get"]["security"].is_null();
        assert_eq!(is_guarded, seen.contains(&*format!("{path} 401")), "{path}");
    }
}

async fn records_are_described(scene: &Scene) {
    let messages = parsed_asyncapi()["components"]["messages"].clone();
    let mut cases = Vec::new();
    let mut check = |record: &OwnedRecord, message: &str| {
        let described = &messages[message];
        let headers: serde_json::Map<String, Value> = record
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into()))
            .collect();
        for name in headers.keys() {
            let is_known = described["headers"]["properties"].get(name).is_some() || message == "deadLetter";
            assert!(is_known, "{message} has the header {name}, which the contract lacks");
        }
        cases.push((format!("headers of {message}"), described["headers"].clone(), headers.into()));
        cases.push((
            format!("key of {message}"),
            described["bindings"]["kafka"]["key"].clone(),
            record.key_text().into(),
        ));
        if message != "deadLetter" {
            let value = record.value.as_deref().map_or(Value::Null, |value| serde_json::from_slice(value).unwrap());
            cases.push((format!("value of {message}"), described["payload"].clone(), value));
        }
    };
    let changes = scene.kafka.read_all(&scene.changes).await;
    assert!(changes.iter().any(|change| change.value.is_none()) && changes.len() > 1);
    for change in &changes {
        check(change, if change.value.is_some() { "segmentChanged" } else { "segmentChangedTombstone" });
    }
    let dead_letters = scene.kafka.read_all(&scene.dead).await;
    assert_eq!(dead_letters.len(), 2);
    dead_letters.iter().for_each(|dead_letter| check(dead_letter, "deadLetter"));
    assert_valid(&cases);
}
