//! `segmenter schema`, and the commands that read topics beside a registry.

use serde_json::{Value, json};

use super::{event_of, framed};
use crate::avro::{EARLIER_ONBOARDING, ONBOARDING, SEGMENT_CHANGED};
use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event};
use crate::support::{Finished, Record, schema_registry, segmenter};
use crate::world::assert_table_equals_oracle;
use segmenter::domain::event::Kind;

/// Topic names of one test; the topics need not exist.
struct Names([String; 3]);

impl Names {
    fn new() -> Self {
        let run = uuid::Uuid::new_v4().simple().to_string();
        Self(["in", "updates", "out"].map(|name| format!("{name}-{run}")))
    }

    fn subject(&self, topic: usize) -> String {
        format!("{}-value", self.0[topic])
    }

    async fn schema(&self, url: &str, arguments: &[&str]) -> Finished {
        let environment = [
            ("SCHEMA_REGISTRY_URL", url),
            ("SEGMENTER_TOPICS_ONBOARDING_COMPLETED", &self.0[0]),
            ("SEGMENTER_TOPICS_PROFILE_UPDATED", &self.0[1]),
            ("SEGMENTER_TOPICS_SEGMENT_CHANGED", &self.0[2]),
        ];
        segmenter(&[&["schema"], arguments].concat(), &environment).finish(DEADLINE).await
    }
}

/// `segment-changed.avsc` with another type for one of the payload's fields.
fn with_payload_field(name: &str, of: &Value) -> String {
    let mut schema: Value = serde_json::from_str(SEGMENT_CHANGED).unwrap();
    let payload = schema["fields"].as_array_mut().unwrap().iter_mut().find(|field| field["name"] == "payload").unwrap();
    let fields = payload["type"]["fields"].as_array_mut().unwrap();
    *fields.iter_mut().find(|field| field["name"] == name).unwrap() = json!({"name": name, "type": of, "doc": "…"});
    schema.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_register_registers_each_schema_once_and_check_then_finds_them_compatible() {
    let (registry, names) = (schema_registry(), Names::new());
    let empty = names.schema(&registry.url(), &["check"]).await;
    assert_eq!(empty.code, Some(0), "{}", empty.log);
    assert_eq!(empty.stdout.matches("nothing is registered yet").count(), 3);

    for _ in 0..2 {
        let registered = names.schema(&registry.url(), &["register"]).await;
        assert_eq!(registered.code, Some(0), "{}", registered.log);
        assert!(registered.stdout.starts_with(&format!("{}: schema id ", names.subject(2))), "{}", registered.stdout);
        assert_eq!((registry.versions(&names.subject(0)).await, registry.versions(&names.subject(2)).await), (0, 1));
    }
    let registered = names.schema(&registry.url(), &["register", "--inputs"]).await;
    assert_eq!((registered.code, registered.stdout.lines().count()), (Some(0), 3));
    let checked = names.schema(&registry.url(), &["check", "--json"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    let lines: Vec<Value> = checked.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() == 3 && lines.iter().all(|line| line["compatible"] == true), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_check_names_each_version_that_does_not_fit_and_in_which_direction() {
    let (registry, names) = (schema_registry(), Names::new());
    registry.register(&names.subject(0), EARLIER_ONBOARDING).await;
    registry.register(&names.subject(0), ONBOARDING).await;
    // A consumer schema with the revision as a string.
    registry.register(&names.subject(2), &with_payload_field("revision", &json!("string"))).await;
    registry.register(&names.subject(2), SEGMENT_CHANGED).await;
    // The configured registry is another one, which receives no request.
    let checked = names.schema("http://127.0.0.1:1", &["check", "--against", &registry.url()]).await;
    assert_eq!(checked.code, Some(4), "{}{}", checked.stdout, checked.log);
    let lines: Vec<&str> = checked.stdout.lines().collect();
    let line = |version: &str| {
        let found: Vec<&&str> = lines.iter().filter(|line| line.starts_with(version)).collect();
        found.iter().map(|line| (**line).to_owned()).collect::<Vec<String>>()
    };
    assert!(line(&format!("{} version 1: compatible", names.subject(0))).len() == 1, "{lines:?}");
    assert!(line(&format!("{} version 2: compatible", names.subject(0))).len() == 1, "{lines:?}");
    let refused = line(&format!("{} version 1: not compatible", names.subject(2)));
    assert_eq!(refused.len(), 2, "{lines:?}");
    assert!(refused[1].contains("consumers that use it cannot read our records"), "{refused:?}");
    assert!(line(&format!("{} version 2: compatible", names.subject(2))).len() == 1, "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_check_reads_a_folder_and_ends_with_75_when_the_registry_is_unavailable() {
    let names = Names::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for (file, schema) in [(names.subject(0), EARLIER_ONBOARDING), (format!("{}-2", names.0[2]), SEGMENT_CHANGED)] {
        std::fs::write(folder.path().join(format!("{file}.avsc")), schema).unwrap();
    }
    let checked = names.schema("http://127.0.0.1:1", &["check", "--against", path]).await;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.log);
    assert_eq!(checked.stdout.matches(": compatible").count(), 2);
    std::fs::write(
        folder.path().join(format!("{}.avsc", names.0[1])),
        r#"{"type": "record", "name": "A", "fields": []}"#,
    )
    .unwrap();
    assert_eq!(names.schema("http://127.0.0.1:1", &["check", "--against", path]).await.code, Some(4));

    for command in ["check", "register"] {
        let failed = names.schema("http://127.0.0.1:1", &[command]).await;
        assert_eq!(failed.code, Some(75), "{}", failed.log);
        assert!(failed.log.contains("the schema registry is unavailable"), "{}", failed.log);
    }
    let unset = segmenter(&["schema", "check"], &[]).finish(DEADLINE).await;
    assert_eq!(unset.code, Some(2), "{}", unset.log);
    let missing = names.schema("http://127.0.0.1:1", &["check", "--against", "no-such-folder"]).await;
    assert_eq!(missing.code, Some(2), "{}", missing.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_requests_schemas_too_and_ends_with_75_when_the_registry_is_unavailable() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(1).await;
    let id = registry.register(&format!("{}-value", scene.onboarding), ONBOARDING).await;
    let event = onboarding_event("user-0", 1, &mut Numbers(6));
    scene.kafka.produce(&scene.onboarding, Record::new("user-0", framed(id, ONBOARDING, &event))).await;
    let replay = async |url: &str, execute: &[&str]| {
        let mut environment = scene.environment();
        environment.push(("SCHEMA_REGISTRY_URL", url));
        let arguments = [&["replay", "--from", "earliest"], execute].concat();
        segmenter(&arguments, &environment).finish(DEADLINE).await
    };
    let failed = replay("http://127.0.0.1:1", &[]).await;
    assert_eq!(failed.code, Some(75), "{}", failed.log);
    assert!(failed.log.contains("the schema registry is unavailable"), "{}", failed.log);
    let done = replay(&registry.url(), &["--execute"]).await;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.log);
    assert_table_equals_oracle(scene.database.pool(), [&event_of(Kind::OnboardingCompleted, &event)]).await;
}
