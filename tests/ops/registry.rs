//! The service with a real schema registry (Apicurio), at times behind a gate that injects faults.

mod commands;
mod faults;
mod identities;
mod published;
mod tls;

use apache_avro::Schema;
use segmenter::codec::Decoded;
use segmenter::domain::event::{Event, Kind};
use serde_json::{Value, json};

use crate::avro::{EARLIER_ONBOARDING, ONBOARDING, UPDATE, writer};
use crate::scene::{DEADLINE, Numbers, Scene, decode, onboarding_event, record, update_event};
use crate::support::{Fault, OwnedRecord, Record, RegistryGate, Segmenter, eventually, schema_registry};
use crate::world::assert_table_equals_oracle;

/// A value in Confluent's framing.
fn framed(id: u32, schema: &str, json: &Value) -> Vec<u8> {
    let datum = writer::datum(&Schema::parse_str(schema).unwrap(), json);
    [&[0], id.to_be_bytes().as_slice(), &datum].concat()
}

/// The same event as a record in JSON, decoded.
fn event_of(kind: Kind, json: &Value) -> Event {
    let record = OwnedRecord {
        partition: 0,
        offset: 0,
        key: None,
        value: Some(json.to_string().into_bytes()),
        headers: Vec::new(),
        timestamp: Some(1_900_000_000_000),
    };
    match decode(&record, "in", kind) {
        Decoded::Event(event) => event,
        other => panic!("no event but {other:?}"),
    }
}

async fn serve_with(scene: &Scene, url: &str) -> Segmenter {
    let process = scene.serve_with(&[("SCHEMA_REGISTRY_URL", url), ("SEGMENTER_REGISTRY_TIMEOUT", "1s")]);
    process.wait_for_log("partitions assigned").await;
    process
}

/// A registry that refuses every request, behind a gate; it has the schema of onboarding events under this id.
async fn refusing(scene: &Scene) -> (RegistryGate, u32) {
    let registry = schema_registry();
    let gate = RegistryGate::to(registry).await;
    gate.set(Fault::Status(401));
    (gate, registry.register(&format!("{}-value", scene.onboarding), ONBOARDING).await)
}

/// The value of a metric without labels, or of the first series that begins so.
async fn metric(process: &Segmenter, series: &str) -> f64 {
    let page = crate::support::http_get(process.http_address().await, "/metrics").await.body;
    let line = page.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("no {series} in {page}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_every_registered_version_of_a_schema_are_read_as_the_same_events_in_json() {
    let (registry, scene) = (schema_registry(), Scene::new(2).await);
    scene.add_users(6).await;
    let gate = RegistryGate::to(registry).await;
    let subject = format!("{}-value", scene.onboarding);
    let earlier = registry.register(&subject, EARLIER_ONBOARDING).await;
    let present = registry.register(&subject, ONBOARDING).await;
    let update = registry.register(&format!("{}-value", scene.updates), UPDATE).await;
    let text = json!({"schemaType": "JSON", "schema": r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}"#});
    let in_json = registry.register_as(&format!("{}-json", scene.updates), &text).await;
    let guid = "6f1c3a52-8d0e-5b6a-9f47-21c07be4d918";
    gate.name(guid, present);

    let mut numbers = Numbers(8);
    let mut onboarding: Vec<Value> =
        (0..5_u64).map(|id| onboarding_event(&format!("user-{id}"), id, &mut numbers)).collect();
    // Fields that the earlier schema does not have.
    onboarding[0]["payload"]["profile"].as_object_mut().unwrap().remove("metadata");
    onboarding[0].as_object_mut().unwrap().remove("correlationId");
    let changed = update_event("user-1", 10, &mut numbers);
    let also_changed = update_event("user-2", 11, &mut numbers);
    let datum = |json: &Value| writer::datum(&Schema::parse_str(ONBOARDING).unwrap(), json);
    let guid_header = [&[1], uuid::Uuid::parse_str(guid).unwrap().as_bytes().as_slice()].concat();
    let id_header = [&[0], present.to_be_bytes().as_slice()].concat();
    let records = [
        Record::new("user-0", framed(earlier, EARLIER_ONBOARDING, &onboarding[0])),
        Record::new("user-1", framed(present, ONBOARDING, &onboarding[1])),
        Record::new("user-2", datum(&onboarding[2])).header("__value_schema_id", guid_header),
        Record::new("user-3", datum(&onboarding[3])).header("__value_schema_id", id_header),
        record("user-4", &onboarding[4]),
    ];
    scene.kafka.produce_all(&scene.onboarding, records).await;
    let in_json = [&[0], in_json.to_be_bytes().as_slice(), also_changed.to_string().as_bytes()].concat();
    let records = [Record::new("user-1", framed(update, UPDATE, &changed)), Record::new("user-2", in_json)];
    scene.kafka.produce_all(&scene.updates, records).await;

    let process = serve_with(&scene, &gate.url()).await;
    scene.settled().await;
    let mut events: Vec<Event> = onboarding.iter().map(|json| event_of(Kind::OnboardingCompleted, json)).collect();
    events.extend([&changed, &also_changed].map(|json| event_of(Kind::ProfileUpdated, json)));
    assert_table_equals_oracle(scene.database.pool(), &events).await;
    scene.assert_changes_form_chains().await;
    assert!(scene.dead_letters().await.is_empty());

    // Each schema was requested once.
    let asked = gate.asked();
    assert_eq!(asked, 5);
    let again = framed(present, ONBOARDING, &onboarding_event("user-5", 12, &mut numbers));
    scene.kafka.produce(&scene.onboarding, Record::new("user-5", again)).await;
    scene.settled().await;
    assert_eq!(gate.asked(), asked);
    assert!((metric(&process, "segmenter_registry_answers_total{answer=\"found\"}").await - 5.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_match_its_registered_schema_is_dead_lettered_with_the_reason() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(1).await;
    let id = registry.register(&format!("{}-value", scene.onboarding), ONBOARDING).await;
    let event = onboarding_event("user-0", 1, &mut Numbers(3));
    let whole = framed(id, ONBOARDING, &event);
    let protobuf = json!({"schemaType": "PROTOBUF", "schema": "syntax = \"proto3\"; message A { string b = 1; }"});
    let other = registry.register_as(&format!("{}-proto", scene.onboarding), &protobuf).await;
    let records = [
        Record::new("user-0", &whole[..whole.len() - 1]),
        Record::new("user-0", b"\0\0\0".as_slice()),
        Record::new("user-0", b"{}".as_slice()).header("__value_schema_id", b"\x02".as_slice()),
        Record::new("user-0", [&[0], other.to_be_bytes().as_slice(), b"\x0a\x00"].concat()),
        Record::new("user-0", whole.clone()),
    ];
    scene.kafka.produce_all(&scene.onboarding, records).await;
    let _process = serve_with(&scene, &registry.url()).await;
    scene.settled().await;
    let dead = scene.dead_letters().await;
    let mut reasons: Vec<&str> = dead.iter().map(|dead| dead.header("segmenter.reason").unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["malformed", "malformed", "malformed", "unknown_schema"]);
    assert_table_equals_oracle(scene.database.pool(), [&event_of(Kind::OnboardingCompleted, &event)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_may_refer_to_types_of_other_subjects() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(1).await;
    // The range of a budget is a type of its own, in a subject of its own.
    let mut whole: Value = serde_json::from_str(ONBOARDING).unwrap();
    let (name, range) = taken_out(&mut whole, "BudgetRange").unwrap();
    let subject = format!("{}-range", scene.onboarding);
    registry.register(&subject, &range.to_string()).await;
    let request = json!({
        "schemaType": "AVRO", "schema": whole.to_string(),
        "references": [{"name": name, "subject": subject, "version": 1}],
    });
    let id = registry.register_as(&format!("{}-value", scene.onboarding), &request).await;
    let event = onboarding_event("user-0", 1, &mut Numbers(4));
    scene.kafka.produce(&scene.onboarding, Record::new("user-0", framed(id, ONBOARDING, &event))).await;
    let _process = serve_with(&scene, &registry.url()).await;
    scene.settled().await;
    assert!(scene.dead_letters().await.is_empty());
    assert_table_equals_oracle(scene.database.pool(), [&event_of(Kind::OnboardingCompleted, &event)]).await;
}

/// Puts a record's full name in the place of its definition; gives the name and the definition.
fn taken_out(schema: &mut Value, record: &str) -> Option<(String, Value)> {
    if schema["type"] == "record" && schema["name"] == record {
        let mut definition = schema.take();
        let namespace = serde_json::from_str::<Value>(ONBOARDING).unwrap()["namespace"].as_str().map(str::to_owned);
        let name = namespace.as_ref().map_or_else(|| record.to_owned(), |namespace| format!("{namespace}.{record}"));
        if let Some(namespace) = namespace {
            definition["namespace"] = json!(namespace);
        }
        *schema = json!(name);
        return Some((name, definition));
    }
    match schema {
        Value::Array(parts) => parts.iter_mut().find_map(|part| taken_out(part, record)),
        Value::Object(members) => members.values_mut().find_map(|part| taken_out(part, record)),
        _ => None,
    }
}

/// Waits until readiness reports that the process waits for the registry.
async fn waits_for_the_registry(process: &Segmenter) {
    let address = process.http_address().await;
    eventually(DEADLINE, "the registry to be reported as unavailable", || async {
        let ready = crate::support::http_get(address, "/health/ready").await;
        ready.status == 503 && ready.body.contains("schema registry")
    })
    .await;
}
