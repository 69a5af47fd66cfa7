//! The group protocol in which the brokers assign the partitions, and brokers that do not have it.

use serde_json::Value;

use crate::scene::{CONSUMER_PROTOCOL, DEADLINE, Scene, history};
use crate::support::{Kafka, eventually, segmenter};
use crate::world::table;

const CLASSIC_PROTOCOL: (&str, &str) = (CONSUMER_PROTOCOL.0, "classic");

/// The number of processes in the group, as an operator sees it.
async fn members(scene: &Scene) -> Option<u64> {
    let shown = segmenter(&["positions", "--json"], &scene.environment()).finish(DEADLINE).await;
    serde_json::from_str::<Value>(&shown.stdout).ok()?["members"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_consumer_protocol_a_killed_process_loses_nothing_and_another_takes_its_partitions() {
    let scene = Scene::new(4).await;
    scene.add_users(300).await;
    let doomed = scene.serve_with(&[CONSUMER_PROTOCOL]);
    doomed.wait_for_log("partitions started").await;
    let mut survivor = scene.serve_with(&[CONSUMER_PROTOCOL]);
    survivor.wait_for_log("partitions started").await;
    assert_eq!(members(&scene).await, Some(2));
    scene.produce(&history(300, 1_500, 101)).await;
    eventually(DEADLINE, "some rows are written", || async { !table(scene.database.pool()).await.is_empty() }).await;
    doomed.kill();
    scene.produce(&history(300, 500, 102)).await;
    scene.read().await;
    scene.expire_leases().await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
    survivor.terminate();
    assert_eq!(survivor.wait(DEADLINE).await.code(), Some(0));
    assert!(survivor.log().iter().any(|line| line.contains("left the group")), "{:#?}", survivor.log());
    assert_eq!(members(&scene).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_without_that_protocol_are_refused_at_the_start_with_exit_code_3_and_the_remedy() {
    let kafka: &'static Kafka = Box::leak(Box::new(Kafka::with_the_classic_protocol().await));
    let scene = Scene::on(kafka, 1).await;
    let mut process = scene.serve_with(&[CONSUMER_PROTOCOL]);
    assert_eq!(process.wait(DEADLINE).await.code(), Some(3));
    let refused = process.log().join("\n");
    assert!(refused.contains("set kafka.group_protocol to classic"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_change_to_the_consumer_protocol_and_back_one_after_the_other() {
    let scene = Scene::new(4).await;
    scene.add_users(100).await;
    let mut before = scene.serve_with(&[CLASSIC_PROTOCOL]);
    before.wait_for_log("partitions started").await;
    for (round, protocol) in (0..).zip([CONSUMER_PROTOCOL, CLASSIC_PROTOCOL]) {
        let next = scene.serve_with(&[protocol]);
        next.wait_for_log("partitions started").await;
        scene.produce(&history(100, 500, 103 + round)).await;
        before.terminate();
        assert_eq!(before.wait(DEADLINE).await.code(), Some(0));
        scene.settled().await;
        before = next;
    }
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}
