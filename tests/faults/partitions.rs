//! Partitions that are added, and records that are deleted before they are read.

use crate::scene::{DEADLINE, Scene, history, record};
use crate::support::{Segmenter, http_get};
use crate::world::assert_table_equals_oracle;

#[tokio::test(flavor = "multi_thread")]
async fn partitions_added_while_it_runs_are_read_from_their_beginning() {
    let scene = Scene::new(1).await;
    scene.add_users(100).await;
    let _process = scene.serve();
    scene.produce(&history(100, 300, 81)).await;
    scene.settled().await;
    for topic in [&scene.onboarding, &scene.updates] {
        scene.kafka.add_partitions(topic, 3).await;
    }
    for (topic, wanted) in [(&scene.onboarding, true), (&scene.updates, false)] {
        let all = history(100, 300, 82);
        let events = all.iter().filter(|(is_onboarding, ..)| *is_onboarding == wanted);
        let records = (0..).zip(events).map(|(number, (_, user, event))| record(user, event).partition(number % 3));
        scene.kafka.produce_by_new_client(topic, records).await;
    }
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_offset_out_of_range_stops_the_process_with_exit_code_3_unless_the_policy_allows_it() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 60, 83)).await;
    let mut first = scene.serve();
    scene.settled().await;
    first.terminate();
    first.wait(DEADLINE).await;
    let read = scene.accepted().await;
    scene.produce(&history(20, 60, 84)).await;
    let committed = scene.kafka.committed(&scene.group, &scene.onboarding).await[0].unwrap();
    let low = committed + 10;
    scene.kafka.delete_records_before(&scene.onboarding, 0, low).await;

    let mut refusing = scene.serve();
    assert_eq!(refusing.wait(DEADLINE).await.code(), Some(3));
    let message = format!(
        "offset {committed} of {} partition 0 is out of range: 10 records were deleted before they were read",
        scene.onboarding
    );
    assert!(refusing.log().iter().any(|line| line.contains(&message)), "{:#?}", refusing.log());
    assert_eq!(scene.kafka.committed(&scene.group, &scene.onboarding).await, [Some(committed)]);

    let continuing = scene.serve_with(&[("SEGMENTER_KAFKA_OUT_OF_RANGE", "earliest")]);
    scene.settled().await;
    let metrics = http_get(continuing.http_address().await, "/metrics").await.body;
    assert!(metrics.contains("segmenter_offset_out_of_range_total{policy=\"earliest\"} 1"), "{metrics}");
    assert!(continuing.log().iter().any(|line| line.contains("10 records were deleted before they were read")));
    let left = scene.accepted().await;
    assert_table_equals_oracle(scene.database.pool(), read.iter().chain(&left)).await;
    scene.assert_changes_form_chains().await;
}

/// Deletes records that the process has not read: while its writes wait for a lock, its intake is paused and fetches nothing.
async fn delete_unread_records_under(process: &Segmenter, scene: &Scene) {
    let mut lock = scene.database.pool().begin().await.unwrap();
    sqlx::query("lock table segmenter.profile_states in exclusive mode").execute(&mut *lock).await.unwrap();
    scene.produce(&history(20, 300, 86)).await;
    process.wait_for_log("intake paused").await;
    scene.produce(&history(20, 300, 88)).await;
    let low = scene.kafka.end_offsets(&scene.onboarding).await[0] - 5;
    scene.kafka.delete_records_before(&scene.onboarding, 0, low).await;
    lock.rollback().await.unwrap();
}

/// A small in-flight budget, so that the intake soon pauses.
const FEW: [(&str, &str); 2] = [("SEGMENTER_IN_FLIGHT_MAX_RECORDS", "100"), ("SEGMENTER_BATCH_MAX_RECORDS", "100")];

#[tokio::test(flavor = "multi_thread")]
async fn records_deleted_under_a_running_process_stop_it_with_exit_code_3() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    let mut process = scene.serve_with(&FEW);
    scene.produce(&history(20, 60, 85)).await;
    scene.settled().await;
    delete_unread_records_under(&process, &scene).await;
    assert_eq!(process.wait(DEADLINE).await.code(), Some(3));
    assert!(process.log().iter().any(|line| line.contains("out of range") && line.contains(&scene.onboarding)));
}
