//! segment-changed in Avro, registered and framed.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde_json::{Value, json};

use super::waits_for_the_registry;
use crate::avro::SEGMENT_CHANGED;
use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event, record};
use crate::support::{Fault, OwnedRecord, RegistryGate, Segmenter, eventually, schema_registry};

fn serve(scene: &Scene, url: &str) -> Segmenter {
    scene.serve_with(&[
        ("SCHEMA_REGISTRY_URL", url),
        ("SEGMENTER_REGISTRY_TIMEOUT", "1s"),
        ("SEGMENTER_TOPICS_SEGMENT_CHANGED_ENCODING", "avro"),
    ])
}

/// The record as a consumer reads it, with the writer's schema from the registry.
async fn read(record: &OwnedRecord) -> Value {
    let value = record.value.as_deref().unwrap();
    assert_eq!(value[0], 0);
    let id = u32::from_be_bytes(value[1..5].try_into().unwrap());
    let schema = Schema::parse_str(&schema_registry().schema(id).await).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    Value::try_from(reader.read_value(&mut &value[5..]).unwrap()).unwrap()
}

/// `segment-changed.avsc` without the field `causationId`, as an earlier version could have been.
fn earlier() -> String {
    let mut schema: Value = serde_json::from_str(SEGMENT_CHANGED).unwrap();
    schema["fields"].as_array_mut().unwrap().retain(|field| field["name"] != "causationId");
    schema.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_changed_is_registered_once_as_the_next_compatible_version_and_read_with_the_registrys_schema() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(2).await;
    let subject = format!("{}-value", scene.changes);
    registry.register(&subject, &earlier()).await;
    registry.demand(&subject, "FULL_TRANSITIVE").await;
    for user in ["user-0", "user-1"] {
        let mut process = serve(&scene, &registry.url());
        let event = onboarding_event(user, 1, &mut Numbers(2));
        scene.kafka.produce(&scene.onboarding, record(user, &event)).await;
        scene.settled().await;
        process.terminate();
        assert!(process.wait(DEADLINE).await.success());
    }
    assert_eq!(
        registry.versions(&subject).await,
        2,
        "the second process finds the version that the first has registered"
    );
    let records = scene.kafka.read_all(&scene.changes).await;
    assert_eq!(records.len(), 2);
    for record in &records {
        let change = read(record).await;
        assert_eq!(change["payload"]["userId"], json!(record.key_text()));
        assert_eq!(change["eventType"], "user.segment.changed");
        assert_eq!(record.header("content-type"), Some("application/avro"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_refuses_the_schema_of_segment_changed_stops_the_start_with_its_reason() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    let subject = format!("{}-value", scene.changes);
    registry
        .register(&subject, r#"{"type": "record", "name": "Other", "fields": [{"name": "a", "type": "int"}]}"#)
        .await;
    registry.demand(&subject, "FULL").await;
    let finished = serve(&scene, &registry.url()).finish(DEADLINE).await;
    assert_eq!(finished.code, Some(3), "{}", finished.log);
    assert!(finished.log.contains("the schema of segment-changed: the registry refuses it"), "{}", finished.log);
    assert!(scene.kafka.committed(&scene.group, &scene.onboarding).await.iter().all(Option::is_none));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_before_the_schema_id_for_publishing_is_known() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(1).await;
    let gate = RegistryGate::to(registry).await;
    gate.set(Fault::Status(503));
    let event = onboarding_event("user-0", 1, &mut Numbers(2));
    scene.kafka.produce(&scene.onboarding, record("user-0", &event)).await;
    let process = serve(&scene, &gate.url());
    waits_for_the_registry(&process).await;
    eventually(DEADLINE, "three requests", || async { gate.asked() >= 3 }).await;
    assert!(crate::world::table(scene.database.pool()).await.is_empty());
    gate.set(Fault::None);
    scene.settled().await;
    assert_eq!(read(&scene.kafka.read_all(&scene.changes).await[0]).await["payload"]["userId"], "user-0");
}
