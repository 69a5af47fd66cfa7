//! An input topic is deleted and created anew.

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use segmenter::domain::event::Event;

use crate::scene::{DEADLINE, Scene, brokers_assign, history, record};
use crate::support::{Segmenter, http_get};
use crate::world::assert_table_equals_oracle;

/// A scene whose records are all read, and the accepted events.
async fn read_scene(more: &[(&str, &str)]) -> (Scene, Segmenter, Vec<Event>) {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 60, 89)).await;
    let process = scene.serve_with(more);
    scene.settled().await;
    let read = scene.accepted().await;
    (scene, process, read)
}

/// Deletes the topic of onboardings and creates it anew.
async fn recreate(scene: &Scene) {
    scene.kafka.delete_topic(&scene.onboarding).await;
    scene.kafka.create_topic_named(&scene.onboarding, 1, &[("retention.ms", "-1")]).await;
}

/// Fills the new topic beyond the end of the old one.
async fn grow(scene: &Scene) {
    let newer: Vec<_> = history(20, 200, 90).into_iter().filter(|(is_onboarding, ..)| *is_onboarding).collect();
    let records = newer.iter().map(|(_, user, event)| record(user, event));
    scene.kafka.produce_by_new_client(&scene.onboarding, records).await;
}

/// The table contains all events of the old and of the new topic.
async fn assert_all_was_read(scene: &Scene, read: &[Event]) {
    scene.settled().await;
    let left = scene.accepted().await;
    assert_table_equals_oracle(scene.database.pool(), read.iter().chain(&left)).await;
    scene.assert_changes_form_chains().await;
}

async fn assert_moved(process: &Segmenter) {
    process.wait_for_log(ANEW).await;
    let metrics = http_get(process.http_address().await, "/metrics").await.body;
    assert!(metrics.contains("segmenter_offset_out_of_range_total{policy=\"earliest\"} 1"), "{metrics}");
}

const ANEW: &str = "the topic was deleted and created anew";
const EARLIEST: (&str, &str) = ("SEGMENTER_KAFKA_OUT_OF_RANGE", "earliest");
/// Keeps the partitions assigned to a frozen process.
const LONG_SESSION: (&str, &str) = ("SEGMENTER_KAFKA_SESSION_TIMEOUT", "45s");

/// The group's committed offset of the onboarding topic, with its metadata.
fn committed(scene: &Scene) -> (BaseConsumer, TopicPartitionList) {
    let client: BaseConsumer = scene.kafka.client().set("group.id", &scene.group).create().unwrap();
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition(&scene.onboarding, 0);
    let committed = client.committed_offsets(wanted, DEADLINE).unwrap();
    (client, committed)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_of_a_deleted_topic_is_detected_even_where_its_successor_has_grown_past_it() {
    let (scene, mut before, read) = read_scene(&[]).await;
    before.terminate();
    before.wait(DEADLINE).await;
    let (client, old) = tokio::task::block_in_place(|| committed(&scene));
    recreate(&scene).await;
    grow(&scene).await;
    // As a process that has not noticed commits it, or as brokers keep it that do not delete offsets with the topic.
    tokio::task::block_in_place(|| client.commit(&old, CommitMode::Sync)).unwrap();

    let mut refusing = scene.serve();
    assert_eq!(refusing.wait(DEADLINE).await.code(), Some(3));
    assert!(refusing.log().iter().any(|line| line.contains(ANEW)), "{:#?}", refusing.log());

    let mut continuing = scene.serve_with(&[EARLIEST]);
    assert_moved(&continuing).await;
    assert_all_was_read(&scene, &read).await;
    continuing.terminate();
    continuing.wait(DEADLINE).await;

    let after = scene.serve();
    scene.produce(&history(20, 60, 91)).await;
    assert_all_was_read(&scene, &read).await;
    assert!(!after.log().iter().any(|line| line.contains(ANEW)), "the offset was committed with the new id");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_an_older_version_committed_without_an_id_is_accepted() {
    let (scene, mut before, _) = read_scene(&[]).await;
    before.terminate();
    before.wait(DEADLINE).await;
    tokio::task::block_in_place(|| {
        let (client, mut old) = committed(&scene);
        assert!(old.elements()[0].metadata().starts_with("segmenter/1 topic="));
        let offset = old.elements()[0].offset();
        old = TopicPartitionList::new();
        old.add_partition_offset(&scene.onboarding, 0, offset).unwrap();
        client.commit(&old, CommitMode::Sync).unwrap();
        assert_eq!(committed(&scene).1.elements()[0].metadata(), "");
    });
    let mut process = scene.serve();
    scene.produce(&history(20, 60, 92)).await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(process.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_recreated_and_grown_past_a_running_process_is_read_from_its_beginning() {
    let (scene, process, read) = read_scene(&[EARLIEST, LONG_SESSION]).await;
    process.pause();
    recreate(&scene).await;
    grow(&scene).await;
    process.resume();
    assert_moved(&process).await;
    assert_all_was_read(&scene, &read).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_recreated_and_grown_past_a_running_process_stops_it_with_exit_code_3() {
    let (scene, mut process, _) = read_scene(&[LONG_SESSION]).await;
    process.pause();
    recreate(&scene).await;
    grow(&scene).await;
    process.resume();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(3));
    assert!(process.log().iter().any(|line| line.contains(ANEW)), "{:#?}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_deleted_and_created_anew_is_read_from_its_beginning() {
    let (scene, mut before, read) = read_scene(&[]).await;
    before.terminate();
    before.wait(DEADLINE).await;
    recreate(&scene).await;
    grow(&scene).await;
    let _after = scene.serve();
    assert_all_was_read(&scene, &read).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_recreated_under_a_running_process_is_read_from_its_beginning_once_the_gap_is_seen() {
    let (scene, mut process, read) = read_scene(&[EARLIEST]).await;
    recreate(&scene).await;
    // Brokers that assign the partitions tell a topic from its successor.
    let seen = if brokers_assign() { "partitions revoked" } else { "Offset out of range" };
    process.wait_for_log(seen).await;
    grow(&scene).await;
    assert_all_was_read(&scene, &read).await;
    assert!(process.is_running());
}
