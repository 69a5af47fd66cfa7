//! A panic while one record is handled, which is a defect of the program, costs that record and nothing else.

use std::time::Duration;

use crate::scene::{DEADLINE, Numbers, Scene, history, onboarding_event, record};
use crate::support::{OwnedRecord, Record, Segmenter, eventually, http_get, segmenter};
use crate::world::table;

/// The event id that [`onboarding_event`] gives the event `id`.
fn event_id(id: u64) -> String {
    uuid::Uuid::from_u128(u128::from(id)).to_string()
}

fn onboarding(user: &str, id: u64) -> Record {
    record(user, &onboarding_event(user, id, &mut Numbers(id)))
}

fn reasons(dead_letters: &[OwnedRecord]) -> Vec<&str> {
    dead_letters.iter().filter_map(|dead_letter| dead_letter.header("segmenter.reason")).collect()
}

fn offset_of(dead_letter: &OwnedRecord) -> i64 {
    dead_letter.header("__connect.errors.offset").unwrap().parse().unwrap()
}

/// The process logs the panic without its message, and an error with the record's coordinates; no line has `data`.
fn is_logged(process: &Segmenter, topic: &str, (partition, offset): (i32, i64), data: &str) {
    let log = process.log();
    let errors = |text: &str| log.iter().filter(|line| line.contains("ERROR") && line.contains(text)).count();
    assert!(errors("the program panicked") > 0, "{log:#?}");
    assert!(!log.iter().any(|line| line.contains(data)), "{log:#?}");
    let place =
        [format!(r#""topic":"{topic}""#), format!(r#""partition":{partition}"#), format!(r#""offset":{offset}"#)];
    let names = |line: &&String| line.contains("ERROR") && place.iter().all(|part| line.contains(part));
    assert_eq!(log.iter().filter(names).count(), 1, "{log:#?}");
}

async fn internal_dead_letters(process: &Segmenter) -> Option<u64> {
    let metrics = http_get(process.http_address().await, "/metrics").await.body;
    let line =
        metrics.lines().find_map(|line| line.strip_prefix(r#"segmenter_dead_letters_total{reason="internal"} "#));
    line.and_then(|count| count.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_a_record_is_decoded_costs_that_record_alone() {
    let scene = Scene::new(1).await;
    scene.add_users(3).await;
    let records = [onboarding("user-0", 1), onboarding("user-1", 2), onboarding("user-2", 3)];
    let places = scene.kafka.produce_all(&scene.onboarding, records).await;
    let mut process = scene.serve_with(&[("FAILPOINTS", "panic-in-decode=return(user-1)")]);
    scene.settled().await;
    assert!(process.is_running());
    let users = table(scene.database.pool()).await;
    assert_eq!(users.keys().collect::<Vec<_>>(), ["user-0", "user-2"]);
    let dead_letters = scene.dead_letters().await;
    assert_eq!((reasons(&dead_letters), offset_of(&dead_letters[0])), (vec!["internal"], places[1].1));
    is_logged(&process, &scene.onboarding, places[1], "user-1");
    eventually(DEADLINE, "it is counted", || async { internal_dead_letters(&process).await == Some(1) }).await;

    // The next version does not panic.
    let redriven = segmenter(&["dlq", "redrive", "--reason", "internal", "--execute"], &scene.environment());
    let redriven = redriven.finish(DEADLINE).await;
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    assert_eq!(table(scene.database.pool()).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_fold_of_one_event_costs_that_event_and_not_its_batch_or_its_user() {
    let scene = Scene::new(2).await;
    scene.add_users(40).await;
    scene.produce(&history(40, 600, 81)).await;
    let panics = onboarding("user-7", 9_001);
    let (partition, offset) = scene.kafka.produce(&scene.onboarding, panics).await;
    scene.produce(&history(40, 200, 82)).await;
    let failpoints = format!("panic-in-fold=return({})", event_id(9_001));
    let mut process = scene.serve_with(&[("FAILPOINTS", &failpoints)]);
    scene.settled().await;
    assert!(process.is_running());
    let dead_letters = scene.dead_letters().await;
    assert_eq!((reasons(&dead_letters), offset_of(&dead_letters[0])), (vec!["internal"], offset));
    is_logged(&process, &scene.onboarding, (partition, offset), "user-7");
    assert!(!table(scene.database.pool()).await.is_empty());

    // All other events are applied: once the dead letter is redriven, rows and records are those of the whole history.
    let redriven = segmenter(&["dlq", "redrive", "--all", "--execute"], &scene.environment()).finish(DEADLINE).await;
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    scene.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_a_state_is_encoded_rolls_the_transaction_back_and_costs_its_user_alone() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.kafka.produce_all(&scene.onboarding, (0..20).map(|id| onboarding(&format!("user-{id}"), id))).await;
    let mut process = scene.serve_with(&[("FAILPOINTS", "panic-in-encode=return(user-11)")]);
    scene.settled().await;
    assert!(process.is_running());
    let users = table(scene.database.pool()).await;
    assert!(users.len() == 19 && !users.contains_key("user-11"), "{:?}", users.keys());
    assert_eq!(reasons(&scene.dead_letters().await), ["internal"]);
    scene.assert_changes_form_chains().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_panics_on_every_record_stops_as_at_a_poison_flood() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    scene.kafka.produce_all(&scene.onboarding, (0..40).map(|id| onboarding("user-0", id))).await;
    for point in ["panic-in-decode", "panic-in-encode"] {
        let failpoints = format!("{point}=return(user-0)");
        let settings = [("FAILPOINTS", failpoints.as_str()), ("SEGMENTER_LIMITS_MAX_CONSECUTIVE_REJECTIONS", "10")];
        let mut process = scene.serve_with(&settings);
        assert_eq!(process.wait(DEADLINE).await.code(), Some(5), "{point}");
        if point == "panic-in-decode" {
            assert!(scene.dead_letters().await.is_empty());
            let committed = scene.kafka.committed(&scene.group, &scene.onboarding).await;
            assert!(matches!(committed[..], [None | Some(0)]), "{committed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_counts_a_record_that_it_panics_on_as_rejected_and_goes_on() {
    let scene = Scene::new(1).await;
    scene.add_users(12).await;
    let records = (0..24).map(|id| onboarding(&format!("user-{}", id % 12), id));
    scene.kafka.produce_all(&scene.onboarding, records).await;
    let failpoints = format!("panic-in-decode=return(user-3);panic-in-fold=return({})", event_id(17));
    let mut environment = scene.environment();
    environment.push(("FAILPOINTS", &failpoints));
    let replay = ["replay", "--from", "earliest", "--execute", "--dead-letter", "--json"];
    let finished = segmenter(&replay, &environment).finish(DEADLINE).await;
    assert_eq!(finished.code, Some(4), "{finished:?}");
    assert!(finished.stdout.contains(r#""rejected":3"#), "{finished:?}");
    let dead_letters = scene.dead_letters().await;
    assert_eq!(reasons(&dead_letters), ["internal"; 3]);
    let mut offsets: Vec<i64> = dead_letters.iter().map(offset_of).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, [3, 15, 17]);
    assert_eq!(table(scene.database.pool()).await.len(), 11);

    let dry = segmenter(&["replay", "--from", "earliest", "--json"], &environment).finish(DEADLINE).await;
    assert_eq!(dry.code, Some(4), "{dry:?}");
    let redriven = segmenter(&["dlq", "redrive", "--all", "--execute"], &environment).finish(DEADLINE).await;
    assert_eq!(redriven.code, Some(4), "{redriven:?}");
    assert!(redriven.stdout.contains("internal"), "{redriven:?}");
    let redriven = segmenter(&["dlq", "redrive", "--all", "--execute"], &scene.environment()).finish(DEADLINE).await;
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    scene.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_of_the_pool_is_lost_to_a_panic() {
    let scene = Scene::new(1).await;
    scene.add_users(30).await;
    let mut records: Vec<Record> = (0..30).map(|id| onboarding(&format!("user-{id}"), id)).collect();
    let poison = (0..10).map(|id| onboarding("poison", 100 + id));
    records.extend(poison);
    scene.database.add_users(["poison"]).await;
    scene.kafka.produce_all(&scene.onboarding, records).await;
    let settings = [("FAILPOINTS", "panic-in-encode=return(poison)"), ("SEGMENTER_DATABASE_CONNECTIONS", "1")];
    let process = scene.serve_with(&settings);
    scene.settled().await;
    assert_eq!(scene.dead_letters().await.len(), 10);
    scene.kafka.produce(&scene.onboarding, onboarding("user-0", 200)).await;
    eventually(Duration::from_secs(30), "the next record is written", || async {
        scene.kafka.committed(&scene.group, &scene.onboarding).await == [Some(41)]
    })
    .await;
    drop(process);
}
