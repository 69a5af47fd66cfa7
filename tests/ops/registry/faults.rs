//! A registry that is unavailable, slow, wrong or late.

use std::time::{Duration, Instant};

use segmenter::domain::event::{Event, Kind};

use super::{event_of, framed, metric, serve_with, waits_for_the_registry};
use crate::avro::ONBOARDING;
use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event, record};
use crate::support::{Fault, Record, RegistryGate, SchemaRegistry, eventually, schema_registry};
use crate::world::{assert_table_equals_oracle, table};

/// Produces framed events of these users and returns them.
async fn produce_framed(scene: &Scene, id: u32, users: std::ops::Range<u64>) -> Vec<Event> {
    let mut numbers = Numbers(users.start + 1);
    let mut events = Vec::new();
    for user in users {
        let name = format!("user-{user}");
        let json = onboarding_event(&name, user, &mut numbers);
        scene.kafka.produce(&scene.onboarding, Record::new(name, framed(id, ONBOARDING, &json))).await;
        events.push(event_of(Kind::OnboardingCompleted, &json));
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_fails_in_any_way_is_waited_for_and_nothing_is_skipped_or_dead_lettered() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(40).await;
    let gate = RegistryGate::to(registry).await;
    let process = serve_with(&scene, &gate.url()).await;
    let faults = [Fault::Status(500), Fault::Silence, Fault::Status(404), Fault::Status(401), Fault::Status(302)];
    let mut events = Vec::new();
    for (number, fault) in (0..).zip(faults) {
        // A different schema, which is not cached yet.
        let schema = ONBOARDING.replacen("\"doc\": \"", &format!("\"doc\": \"{number} "), 1);
        let id = registry.register(&format!("{}-value-{number}", scene.onboarding), &schema).await;
        gate.set(fault.clone());
        events.extend(produce_framed(&scene, id, number * 8..number * 8 + 4).await);
        waits_for_the_registry(&process).await;
        eventually(DEADLINE, "the intake to pause", || async { metric(&process, "segmenter_paused").await > 0.5 })
            .await;
        // Later records stay in the topic, whatever their encoding.
        let committed = scene.kafka.committed(&scene.group, &scene.onboarding).await;
        events.extend(produce_framed(&scene, id, number * 8 + 4..number * 8 + 8).await);
        let asked = gate.asked();
        eventually(DEADLINE, "three more requests", || async { gate.asked() >= asked + 3 }).await;
        let still = scene.kafka.committed(&scene.group, &scene.onboarding).await;
        // The start of a partition may be committed meanwhile.
        let past = |committed: &[Option<i64>]| committed.iter().map(|at| at.unwrap_or(0)).collect::<Vec<_>>();
        assert_eq!(past(&still), past(&committed), "{fault:?}");
        assert!(scene.dead_letters().await.is_empty(), "{fault:?}");

        gate.set(Fault::None);
        scene.settled().await;
        assert_table_equals_oracle(scene.database.pool(), &events).await;
    }
    assert!(scene.dead_letters().await.is_empty());
    eventually(DEADLINE, "the intake to resume", || async { metric(&process, "segmenter_paused").await < 0.5 }).await;
    assert!(metric(&process, "segmenter_registry_answers_total{answer=\"unavailable\"}").await > 10.0);
    assert!(metric(&process, "segmenter_registry_waiting_records").await < 0.5);
}

/// A slow registry is not unavailable: a record waits for one request, and other records are processed meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_registry_is_waited_for_and_asked_once_while_others_go_on() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(5).await;
    let gate = RegistryGate::to(registry).await;
    let late = Duration::from_secs(10);
    gate.set(Fault::Late(late));
    let id = registry.register(&format!("{}-value", scene.onboarding), ONBOARDING).await;
    let process = scene.serve_with(&[("SCHEMA_REGISTRY_URL", &gate.url()), ("SEGMENTER_REGISTRY_TIMEOUT", "30s")]);
    process.wait_for_log("partitions assigned").await;
    let began = Instant::now();
    let mut events = produce_framed(&scene, id, 0..4).await;
    let other = onboarding_event("user-4", 4, &mut Numbers(11));
    scene.kafka.produce(&scene.onboarding, record("user-4", &other)).await;
    events.push(event_of(Kind::OnboardingCompleted, &other));
    eventually(DEADLINE, "the record in JSON to be applied", || async {
        crate::world::table(scene.database.pool()).await.contains_key("user-4")
    })
    .await;
    assert!(began.elapsed() < late, "it waited for a schema that it does not need");
    scene.settled().await;
    assert!(began.elapsed() >= late);
    assert_table_equals_oracle(scene.database.pool(), &events).await;
    assert!(scene.dead_letters().await.is_empty());
    assert_eq!(gate.asked(), 1);
    assert!(metric(&process, "segmenter_registry_answers_total{answer=\"unavailable\"}").await < 0.5);
}

/// The schema is registered while its record waits; the registry itself starts after the service.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_comes_after_the_service_and_a_schema_that_comes_after_its_record_are_waited_for() {
    let (registry, scene) = (SchemaRegistry::dedicated().await, Scene::new(2).await);
    scene.add_users(4).await;
    registry.kill();
    // A new registry counts from 1.
    let mut events = produce_framed(&scene, 1, 0..2).await;
    let process = serve_with(&scene, &registry.url()).await;
    waits_for_the_registry(&process).await;
    process.wait_for_log("the schema registry is unavailable").await;

    let registry = tokio::task::spawn_blocking(move || {
        registry.start_again();
        registry
    })
    .await
    .unwrap();
    eventually(DEADLINE, "the registry to answer that it has no such schema", || async {
        metric(&process, "segmenter_registry_answers_total{answer=\"unknown\"}").await > 1.5
    })
    .await;
    // Records of other schemas do not wait.
    let other = onboarding_event("user-2", 20, &mut Numbers(5));
    scene.kafka.produce(&scene.onboarding, record("user-2", &other)).await;
    let other = event_of(Kind::OnboardingCompleted, &other);
    eventually(DEADLINE, "the record in JSON to be applied", || async {
        crate::world::table(scene.database.pool()).await.contains_key("user-2")
    })
    .await;
    events.push(other);

    assert_eq!(registry.register("late-value", ONBOARDING).await, 1);
    scene.settled().await;
    assert_table_equals_oracle(scene.database.pool(), &events).await;
    assert!(scene.dead_letters().await.is_empty());

    // An outage of the registry: known schemas do not need it.
    registry.kill();
    events.extend(produce_framed(&scene, 1, 3..4).await);
    scene.settled().await;
    assert_table_equals_oracle(scene.database.pool(), &events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_an_unknown_schema_is_dead_lettered_after_half_a_minute_then_at_once_and_not_for_ever() {
    let (registry, scene) = (SchemaRegistry::dedicated().await, Scene::new(1).await);
    scene.add_users(2).await;
    let gate = RegistryGate::to(&registry).await;
    let process = serve_with(&scene, &gate.url()).await;
    let event = onboarding_event("user-0", 1, &mut Numbers(9));
    // A new registry counts from 1.
    let value = framed(1, ONBOARDING, &event);
    let began = Instant::now();
    scene.kafka.produce(&scene.onboarding, Record::new("user-0", value.clone())).await;
    let other = onboarding_event("user-1", 2, &mut Numbers(10));
    scene.kafka.produce(&scene.onboarding, record("user-1", &other)).await;
    eventually(DEADLINE, "a dead letter", || async { !scene.dead_letters().await.is_empty() }).await;
    let (took, asked) = (began.elapsed(), gate.asked());
    assert!(took >= Duration::from_secs(30), "{took:?}");
    let dead = scene.dead_letters().await;
    assert_eq!(dead[0].header("segmenter.reason"), Some("unknown_schema"));
    assert_eq!(dead[0].value.as_deref(), Some(value.as_slice()));
    scene.settled().await;
    assert_table_equals_oracle(scene.database.pool(), [&event_of(Kind::OnboardingCompleted, &other)]).await;
    assert!(metric(&process, "segmenter_paused").await < 0.5, "an unknown schema is not an outage");

    let decided = Instant::now();
    scene.kafka.produce(&scene.onboarding, Record::new("user-0", value.clone())).await;
    eventually(DEADLINE, "another one", || async { scene.dead_letters().await.len() == 2 }).await;
    assert_eq!(gate.asked(), asked, "the answer is cached");

    // The underlying client would cache the answer for ever; here a schema that is registered late is used.
    assert_eq!(registry.register("late-value", ONBOARDING).await, 1);
    eventually(DEADLINE, "the cached answer to expire", || async { decided.elapsed() > Duration::from_secs(61) }).await;
    scene.kafka.produce(&scene.onboarding, Record::new("user-0", value)).await;
    scene.settled().await;
    let events = [&event, &other].map(|json| event_of(Kind::OnboardingCompleted, json));
    assert_table_equals_oracle(scene.database.pool(), &events).await;
    assert_eq!(scene.dead_letters().await.len(), 2);
    assert_eq!(gate.asked(), asked + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guid_that_a_registry_without_guids_is_asked_for_is_an_unknown_schema_and_no_outage() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(1).await;
    let _process = serve_with(&scene, &registry.url()).await;
    let header = [&[1], uuid::Uuid::new_v4().as_bytes().as_slice()].concat();
    let value = b"datum".as_slice();
    scene.kafka.produce(&scene.onboarding, Record::new("user-0", value).header("__value_schema_id", header)).await;
    eventually(DEADLINE, "a dead letter", || async { !scene.dead_letters().await.is_empty() }).await;
    assert_eq!(scene.dead_letters().await[0].header("segmenter.reason"), Some("unknown_schema"));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_with_every_question_and_into_no_log() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let (gate, id) = super::refusing(&scene).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hush-hush\n").unwrap();
    let process = scene.serve_with(&[
        ("SCHEMA_REGISTRY_URL", &gate.url()),
        ("SCHEMA_REGISTRY_USERNAME", "segmenter"),
        ("SCHEMA_REGISTRY_PASSWORD_FILE", file.path().to_str().unwrap()),
    ]);
    let events = produce_framed(&scene, id, 0..1).await;
    let line = process.wait_for_log("the schema registry is unavailable").await;
    assert!(line.contains("401"), "{line}");
    // Of segmenter:hush-hush.
    assert_eq!(gate.last_authorization().as_deref(), Some("Basic c2VnbWVudGVyOmh1c2gtaHVzaA=="));
    gate.set(Fault::None);
    scene.settled().await;
    assert_table_equals_oracle(scene.database.pool(), &events).await;
    assert!(!process.log().iter().any(|line| line.contains("hush")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_a_record_that_waited_for_its_schema_is_decoded_costs_that_record_alone() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(3).await;
    let id = registry.register(&format!("{}-value", scene.onboarding), ONBOARDING).await;
    produce_framed(&scene, id, 0..3).await;
    let failpoints = "panic-in-decode=1*off->return(user-0)";
    let mut process = scene.serve_with(&[("SCHEMA_REGISTRY_URL", &registry.url()), ("FAILPOINTS", failpoints)]);
    scene.settled().await;
    assert!(process.is_running());
    let dead = scene.dead_letters().await;
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].key_text(), dead[0].header("segmenter.reason")), ("user-0", Some("internal")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_a_schema_is_read_costs_the_records_of_that_schema_alone() {
    let (registry, scene) = (schema_registry(), Scene::new(1).await);
    scene.add_users(4).await;
    let id = registry.register(&format!("{}-value", scene.onboarding), ONBOARDING).await;
    produce_framed(&scene, id, 0..2).await;
    let json = record("user-3", &onboarding_event("user-3", 3, &mut Numbers(3)));
    scene.kafka.produce(&scene.onboarding, json).await;
    let failpoints = "panic-in-schema=return()";
    let mut process = scene.serve_with(&[("SCHEMA_REGISTRY_URL", &registry.url()), ("FAILPOINTS", failpoints)]);
    scene.settled().await;
    assert!(process.is_running());
    let dead = scene.dead_letters().await;
    let reasons: Vec<_> = dead.iter().filter_map(|dead| dead.header("segmenter.reason")).collect();
    assert_eq!(reasons, ["internal"; 2]);
    assert_eq!(table(scene.database.pool()).await.into_keys().collect::<Vec<_>>(), ["user-3"]);
}
