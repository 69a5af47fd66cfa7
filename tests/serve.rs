//! The live service as a process: real Kafka in, real PostgreSQL, segment-changed out.

use std::time::{Duration, Instant};

use serde_json::json;

use segmenter::domain::event::Kind;

use crate::decoding_corpus::{self, Case};
use crate::scene::{DEADLINE, Numbers, Scene, history, onboarding_event, record, update_event};
use crate::support::{Postgres, Record, eventually, http_get, kafkajs_produce, segmenter};
use crate::world::{migrate, table};

#[tokio::test(flavor = "multi_thread")]
async fn events_become_rows_and_records_as_the_contract_specifies() {
    let scene = Scene::new(2).await;
    scene.add_users(1).await;
    let event = onboarding_event("user-0", 7, &mut Numbers(1));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    scene.kafka.produce(&scene.onboarding, record("user-0", &event).header("traceparent", trace)).await;
    let mut process = scene.serve();
    scene.settled().await;
    scene.assert_right().await;
    let changes = scene.kafka.read_all(&scene.changes).await;
    assert_eq!(changes.len(), 1);
    let value = changes[0].json();
    let row = &table(scene.database.pool()).await["user-0"];
    assert_eq!(changes[0].header("traceparent"), Some(trace));
    assert_eq!(changes[0].header("ce_id"), value["eventId"].as_str());
    assert_eq!(changes[0].header("ce_type"), Some("user.segment.changed"));
    assert_eq!(value["source"], "segmenter");
    assert_eq!(value["causationId"], event["eventId"]);
    assert_eq!(value["correlationId"], event["correlationId"]);
    let payload = &value["payload"];
    assert_eq!(payload["newSegments"], row.segments);
    assert_eq!(payload["primarySegment"].as_str(), row.primary_segment.as_deref());
    assert_eq!(payload["segmentConfidence"].as_f64(), row.confidence);
    assert_eq!((&payload["trigger"], &payload["previousSegments"]), (&json!("ONBOARDING"), &json!([])));
    assert_eq!((&payload["occurredAt"], payload["catalogVersion"].as_i64()), (&event["timestamp"], Some(1)));
    assert_eq!(payload["previousPrimarySegment"], json!(null));
    assert!(payload.get("replayId").is_none());
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_fed_by_kafkajs_with_one_killed_under_way_leave_everything_right() {
    const EVENTS: u64 = 6_000;
    let scene = Scene::new(4).await;
    scene.add_users(1_500).await;
    let (doomed, survivor) = (scene.serve(), scene.serve());
    doomed.wait_for_log("partitions assigned").await;
    survivor.wait_for_log("partitions assigned").await;
    let history = history(1_500, EVENTS, 42);
    let lines: Vec<_> = history
        .iter()
        .map(|(is_onboarding, user, event)| {
            let topic = if *is_onboarding { &scene.onboarding } else { &scene.updates };
            json!({"topic": topic, "key": user, "value": event})
        })
        .collect();
    let started = Instant::now();
    let producing = kafkajs_produce(scene.kafka.brokers(), &lines);
    let killing = async {
        eventually(DEADLINE, "some rows are written", || async { !table(scene.database.pool()).await.is_empty() })
            .await;
        doomed.kill();
    };
    tokio::join!(producing, killing);
    scene.settled().await;
    println!("{} events in {:?}, a kill -9 and its session timeout included", history.len(), started.elapsed());
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
    survivor.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_publishes_commits_leaves_the_group_and_exits_with_0() {
    let scene = Scene::new(2).await;
    scene.add_users(300).await;
    scene.produce(&history(300, 3_000, 3)).await;
    let mut first = scene.serve();
    eventually(DEADLINE, "some rows are written", || async { !table(scene.database.pool()).await.is_empty() }).await;
    first.terminate();
    assert_eq!(first.wait(DEADLINE).await.code(), Some(0));
    assert!(first.log().iter().any(|line| line.contains("left the group")), "{:#?}", first.log());
    assert_eq!(scene.outbox().await, 0, "all committed changes are published");
    let started = Instant::now();
    let second = scene.serve();
    second.wait_for_log("partitions assigned").await;
    assert!(
        started.elapsed() < Duration::from_secs(6),
        "the group does not wait for the session timeout of a member that left"
    );
    scene.settled().await;
    scene.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_makes_the_process_not_ready_and_is_read_once_it_exists() {
    let mut scene = Scene::new(1).await;
    scene.add_users(1).await;
    scene.updates = format!("{}-late", scene.updates);
    let process = scene.serve();
    let address = process.http_address().await;
    eventually(DEADLINE, "readiness names the missing topic", || async {
        let response = http_get(address, "/health/ready").await;
        response.status == 503 && response.body.contains(&format!("topics do not exist: {}", scene.updates))
    })
    .await;
    assert_eq!(http_get(address, "/health/live").await.status, 200);
    scene.kafka.create_topic_named(&scene.updates, 1, &[]).await;
    let mut numbers = Numbers(5);
    scene.kafka.produce(&scene.onboarding, record("user-0", &onboarding_event("user-0", 1, &mut numbers))).await;
    scene.kafka.produce(&scene.updates, record("user-0", &update_event("user-0", 2, &mut numbers))).await;
    scene.settled().await;
    scene.assert_right().await;
    eventually(DEADLINE, "the process is ready", || async { http_get(address, "/health/ready").await.status == 200 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_record_ends_in_its_documented_outcome_and_the_next_good_one_is_processed() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let good = |id: usize| record("user-0", &onboarding_event("user-0", id as u64, &mut Numbers(id as u64)));
    let mut expected = Vec::new();
    for (topic, kind) in [(&scene.onboarding, Kind::OnboardingCompleted), (&scene.updates, Kind::ProfileUpdated)] {
        // The other cases cannot be produced: the broker gives every record a timestamp.
        let is_producible = |case: &Case| case.kind == kind && case.timestamp.is_some_and(|timestamp| timestamp >= 0);
        let cases: Vec<Case> = decoding_corpus::corpus().into_iter().filter(is_producible).collect();
        let records = cases.iter().enumerate().flat_map(|(number, case)| {
            let timestamp = case.timestamp.unwrap();
            [
                Record { key: case.key.clone(), value: case.value.clone(), ..Record::default() }.timestamp(timestamp),
                good(number),
            ]
        });
        let places = scene.kafka.produce_all(topic, records.collect::<Vec<_>>()).await;
        for (case, (_, offset)) in cases.iter().zip(places.iter().step_by(2)) {
            expected.extend(case.rejected_for().map(|reason| (topic.clone(), *offset, reason.as_str().to_owned())));
        }
    }
    let process = scene.serve();
    scene.settled().await;
    let found: Vec<_> = scene.dead_letters().await;
    let mut reasons: Vec<(String, i64, String)> = found
        .iter()
        .map(|record| {
            let header = |name| record.header(name).unwrap_or_default().to_owned();
            let offset = header("__connect.errors.offset").parse().unwrap();
            (header("__connect.errors.topic"), offset, header("segmenter.reason"))
        })
        .filter(|(_, _, reason)| reason != "unknown_user")
        .collect();
    reasons.sort();
    expected.sort();
    assert_eq!(reasons, expected);
    let original = scene.kafka.read_all(&scene.onboarding).await;
    for dead_letter in
        found.iter().filter(|dead_letter| dead_letter.header("__connect.errors.topic") == Some(&scene.onboarding))
    {
        let offset: i64 = dead_letter.header("__connect.errors.offset").unwrap().parse().unwrap();
        let source = original.iter().find(|record| record.offset == offset).unwrap();
        let is_whole = dead_letter.header("segmenter.sha256").is_none();
        assert_eq!(dead_letter.key, source.key);
        assert_eq!(dead_letter.header("segmenter.timestamp"), source.timestamp.map(|time| time.to_string()).as_deref());
        if is_whole {
            assert_eq!(dead_letter.value, source.value);
        } else {
            let length = source.value.as_ref().unwrap().len().to_string();
            assert_eq!(dead_letter.header("segmenter.length"), Some(length.as_str()));
        }
    }
    assert!(table(scene.database.pool()).await.contains_key("user-0"));
    let address = process.http_address().await;
    assert_eq!(http_get(address, "/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_flood_ends_with_exit_code_5_and_every_restart_stops_at_the_same_record() {
    let scene = Scene::new(1).await;
    scene.add_users(50).await;
    scene.produce(&history(50, 100, 9)).await;
    let poison = (0..40).map(|_| Record::new("user-0", "{"));
    let (_, first_bad) = scene.kafka.produce_all(&scene.onboarding, poison).await[0];
    scene.produce(&history(50, 20, 10)).await;
    for _ in 0..3 {
        let mut process = scene.serve_with(&[("SEGMENTER_LIMITS_MAX_CONSECUTIVE_REJECTIONS", "30")]);
        assert_eq!(process.wait(DEADLINE).await.code(), Some(5));
        let log = process.log().join("\n");
        assert!(log.contains("30 records in a row were rejected") && log.contains("malformed"), "{log}");
        assert_eq!(scene.kafka.committed(&scene.group, &scene.onboarding).await, [Some(first_bad)]);
    }
    assert!(scene.dead_letters().await.is_empty());
    let _process = scene.serve();
    scene.settled().await;
    assert_eq!(scene.dead_letters().await.len(), 40, "with a higher limit the run is dead-lettered");
    scene.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_run_at_the_end_of_a_partition_is_dead_lettered_after_an_idle_second() {
    let scene = Scene::new(1).await;
    scene.kafka.produce_all(&scene.onboarding, (0..5).map(|_| Record::new("user-0", "{"))).await;
    let _process = scene.serve();
    scene.settled().await;
    assert_eq!(scene.dead_letters().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_database_dead_letters_nothing_and_is_waited_out() {
    let server = Postgres::dedicated().await;
    let mut scene = Scene::new(2).await;
    scene.database = server.upstream_after_ia().await;
    migrate(&scene.database).await;
    scene.add_users(200).await;
    scene.produce(&history(200, 1_000, 11)).await;
    let process = scene.serve();
    let address = process.http_address().await;
    eventually(DEADLINE, "some rows are written", || async { !table(scene.database.pool()).await.is_empty() }).await;
    server.stop_immediate();
    scene.produce(&history(200, 2_000, 12)).await;
    eventually(DEADLINE, "readiness reports the outage", || async {
        http_get(address, "/health/ready").await.status == 503
    })
    .await;
    assert_eq!(http_get(address, "/health/live").await.status, 200);
    server.start();
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
    drop(process);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_behind_is_refused_with_exit_code_3_unless_asked_to_migrate() {
    let mut scene = Scene::new(1).await;
    scene.database = crate::support::postgres().upstream_after_ia().await;
    let mut process = scene.serve();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(3));
    assert!(process.log().join("\n").contains("segmenter migrate run"));
    let process = scene.serve_with(&[("SEGMENTER_DATABASE_MIGRATE", "true")]);
    let address = process.http_address().await;
    eventually(DEADLINE, "the process is ready", || async { http_get(address, "/health/ready").await.status == 200 })
        .await;
    let metrics = http_get(address, "/metrics").await.body;
    let build = format!(
        "segmenter_build_info{{commit=\"{}\",version=\"{}\"}} 1",
        env!("SEGMENTER_BUILT_COMMIT"),
        env!("CARGO_PKG_VERSION")
    );
    assert!(metrics.contains(&build) && metrics.contains("segmenter_dead_letters_total{reason=\"malformed\"} 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused_with_every_error_and_without_its_secrets() {
    let environment =
        [("DATABASE_URL", "postgres://me:hush@"), ("SEGMENTER_BATCH_MAX_RECORDS", "many"), ("SEGMENTER_TYPO", "1")];
    let finished = segmenter(&["serve"], &environment).finish(DEADLINE).await;
    assert_eq!(finished.code, Some(2));
    for named in ["KAFKA_BROKERS", "database.url", "SEGMENTER_BATCH_MAX_RECORDS", "SEGMENTER_TYPO"] {
        assert!(finished.log.contains(named), "{named} in {}", finished.log);
    }
    assert!(!finished.log.contains("hush"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_published_in_avro_where_the_configuration_asks_for_it() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    scene.kafka.produce(&scene.onboarding, record("user-0", &onboarding_event("user-0", 7, &mut Numbers(1)))).await;
    let _process = scene.serve_with(&[("SEGMENTER_TOPICS_SEGMENT_CHANGED_ENCODING", "avro")]);
    scene.settled().await;
    let changes = scene.kafka.read_all(&scene.changes).await;
    assert_eq!(changes[0].header("content-type"), Some("application/avro"));
    assert_eq!(changes[0].value.as_ref().unwrap()[..2], [0xC3, 0x01]);
}
