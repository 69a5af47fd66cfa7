//! Partitions that are added, and records that are gone before they were read.

use crate::scene::{PATIENCE, Scene, history, record};
use crate::support::{eventually, http_get};
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
async fn a_committed_offset_that_is_gone_stops_it_with_exit_code_3_unless_told_to_go_on() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 60, 83)).await;
    let mut first = scene.serve();
    scene.settled().await;
    first.terminate();
    first.wait(PATIENCE).await;
    let read = scene.accepted().await;
    scene.produce(&history(20, 60, 84)).await;
    let committed = scene.kafka.committed(&scene.group, &scene.onboarding).await[0].unwrap();
    let low = committed + 10;
    let high = scene.kafka.end_offsets(&scene.onboarding).await[0];
    scene.kafka.delete_records_before(&scene.onboarding, 0, low).await;

    let mut refusing = scene.serve();
    assert_eq!(refusing.wait(PATIENCE).await.code(), Some(3));
    let message = format!("offset {committed} of {} partition 0 is out of range ({low} to {high})", scene.onboarding);
    assert!(refusing.log().iter().any(|line| line.contains(&message)), "{:#?}", refusing.log());
    assert_eq!(scene.kafka.committed(&scene.group, &scene.onboarding).await, [Some(committed)]);

    let going_on = scene.serve_with(&[("SEGMENTER_KAFKA_OUT_OF_RANGE", "earliest")]);
    scene.settled().await;
    let metrics = http_get(going_on.http_address().await, "/metrics").await.body;
    assert!(metrics.contains("segmenter_offset_out_of_range_total{policy=\"earliest\"} 1"), "{metrics}");
    assert!(going_on.log().iter().any(|line| line.contains("10 records were deleted before they were read")));
    let left = scene.accepted().await;
    assert_table_equals_oracle(scene.database.pool(), read.iter().chain(&left)).await;
    scene.assert_changes_form_chains().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_deleted_under_a_running_process_stop_it_with_exit_code_3() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    let mut process = scene.serve();
    scene.produce(&history(20, 60, 85)).await;
    scene.settled().await;
    process.pause();
    // By the time this has asked the broker, the fetch that was under way has returned with nothing.
    scene.settled().await;
    scene.produce(&history(20, 60, 86)).await;
    let low = scene.kafka.end_offsets(&scene.onboarding).await[0] - 5;
    scene.kafka.delete_records_before(&scene.onboarding, 0, low).await;
    process.resume();
    assert_eq!(process.wait(PATIENCE).await.code(), Some(3));
    assert!(process.log().iter().any(|line| line.contains("out of range") && line.contains(&scene.onboarding)));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_deleted_before_anything_was_committed_are_no_less_lost() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    // Nothing of the partition can be committed while the dead letter of its first record cannot be written.
    let mut scene = scene;
    scene.dead = format!("{}-never", scene.dead);
    scene.kafka.produce(&scene.onboarding, crate::support::Record::new("user-0", "{")).await;
    scene.produce(&history(20, 60, 87)).await;
    let mut process = scene.serve();
    process.wait_for_log("could not write dead letters").await;
    eventually(PATIENCE, "the rest is written", || async {
        !crate::world::table(scene.database.pool()).await.is_empty()
    })
    .await;
    assert_eq!(scene.kafka.committed(&scene.group, &scene.onboarding).await, [None]);
    process.pause();
    scene.kafka.end_offsets(&scene.onboarding).await;
    scene.produce(&history(20, 60, 88)).await;
    let low = scene.kafka.end_offsets(&scene.onboarding).await[0] - 5;
    scene.kafka.delete_records_before(&scene.onboarding, 0, low).await;
    process.resume();
    assert_eq!(process.wait(PATIENCE).await.code(), Some(3));
    assert!(process.log().iter().any(|line| line.contains("out of range") && line.contains(&scene.onboarding)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_deleted_and_created_anew_is_read_from_its_beginning() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 60, 89)).await;
    let mut before = scene.serve();
    scene.settled().await;
    let read = scene.accepted().await;
    before.terminate();
    before.wait(PATIENCE).await;
    scene.kafka.delete_topic(&scene.onboarding).await;
    eventually(PATIENCE, "the topic is gone", || async { scene.kafka.partitions(&scene.onboarding).await == 0 }).await;
    scene.kafka.create_topic_named(&scene.onboarding, 1, &[("retention.ms", "-1")]).await;
    let newer: Vec<_> = history(20, 200, 90).into_iter().filter(|(is_onboarding, ..)| *is_onboarding).collect();
    let records = newer.iter().map(|(_, user, event)| record(user, event));
    scene.kafka.produce_by_new_client(&scene.onboarding, records).await;
    let _after = scene.serve();
    scene.settled().await;
    let left = scene.accepted().await;
    assert_table_equals_oracle(scene.database.pool(), read.iter().chain(&left)).await;
    scene.assert_changes_form_chains().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_recreated_under_a_running_process_is_read_from_its_beginning_once_it_has_seen_the_gap() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 60, 89)).await;
    let earliest = [("SEGMENTER_KAFKA_OUT_OF_RANGE", "earliest")];
    let mut process = scene.serve_with(&earliest);
    scene.settled().await;
    let read = scene.accepted().await;
    scene.kafka.delete_topic(&scene.onboarding).await;
    eventually(PATIENCE, "the topic is gone", || async { scene.kafka.partitions(&scene.onboarding).await == 0 }).await;
    scene.kafka.create_topic_named(&scene.onboarding, 1, &[("retention.ms", "-1")]).await;
    process.wait_for_log("Offset out of range").await;
    let newer: Vec<_> = history(20, 200, 90).into_iter().filter(|(is_onboarding, ..)| *is_onboarding).collect();
    let records = newer.iter().map(|(_, user, event)| record(user, event));
    scene.kafka.produce_by_new_client(&scene.onboarding, records).await;
    scene.settled().await;
    assert!(process.is_running());
    let left = scene.accepted().await;
    assert_table_equals_oracle(scene.database.pool(), read.iter().chain(&left)).await;
    scene.assert_changes_form_chains().await;
}
