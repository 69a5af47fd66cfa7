//! The documentation's example consumers against the real broker: they ignore repeated and older revisions.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::scene::{Scene, history};
use crate::support::{Record, kafka};

fn change(user: &str, revision: i64, segment: &str) -> Record {
    let value = json!({"eventType": "user.segment.changed", "payload": {"userId": user, "newSegments": [{"segment": segment}]}});
    Record::new(user, value.to_string()).header("segmenter.revision", revision.to_string())
}

fn tombstone(user: &str, revision: i64) -> Record {
    Record::tombstone(user).header("segmenter.revision", revision.to_string())
}

/// A program with a time limit of 90 s; reaching it is a failure.
fn limited(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "90", program]);
    command
}

/// Runs a consumer until it is idle and returns its output lines.
async fn consume(mut command: Command, topic: &str, group: &str) -> Vec<Value> {
    command.env("KAFKA_BROKERS", kafka().brokers()).env("TOPIC", topic).env("GROUP", group).env("IDLE_SECONDS", "6");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn topic_with_repeats_and_late_records() -> String {
    let topic = kafka().create_topic("repeats", 1, &[]).await;
    let records = [
        change("ann", 10, "FIRST"),
        change("ann", 20, "SECOND"),
        change("ann", 20, "SECOND"),
        change("ann", 10, "FIRST"),
        change("ann", 20, "SECOND"),
        change("bob", 5, "FIRST"),
        tombstone("bob", 6),
        change("bob", 5, "FIRST"),
        tombstone("bob", 6),
    ];
    kafka().produce_all(&topic, records).await;
    topic
}

fn applied() -> Vec<Value> {
    vec![
        json!({"user": "ann", "revision": 10, "segments": ["FIRST"]}),
        json!({"user": "ann", "revision": 20, "segments": ["SECOND"]}),
        json!({"user": "bob", "revision": 5, "segments": ["FIRST"]}),
        json!({"user": "bob", "revision": 6, "segments": null}),
    ]
}

/// The documentation's KafkaJS consumer, without any plug-in.
fn kafkajs() -> Command {
    let root = env!("CARGO_MANIFEST_DIR");
    // Node resolves modules from the working directory, so the script runs where the test's KafkaJS is installed.
    let script = std::fs::read_to_string(format!("{root}/docs/examples/consumer.mjs")).unwrap();
    let mut node = limited("node");
    node.args(["--input-type=module", "--eval", &script]).current_dir(format!("{root}/target/kafkajs"));
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kafkajs_consumer_applies_each_revision_once_and_ignores_older_ones() {
    let topic = topic_with_repeats_and_late_records().await;
    assert_eq!(consume(kafkajs(), &topic, &format!("js-{topic}")).await, applied());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kafkajs_consumer_reads_the_services_own_records() {
    let scene = Scene::new(1).await;
    scene.add_users(10).await;
    scene.produce(&history(10, 40, 5)).await;
    let _service = scene.serve();
    scene.settled().await;
    let records = scene.kafka.read_all(&scene.changes).await;
    let users = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>();
    let expected = users(records.iter().map(|record| record.key_text().to_owned()).collect());
    assert!(!expected.is_empty());
    let consumed = consume(kafkajs(), &scene.changes, &format!("js-{}", scene.changes)).await;
    assert_eq!(users(consumed.iter().map(|each| each["user"].as_str().unwrap().to_owned()).collect()), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_consumer_applies_each_revision_once_and_ignores_older_ones() {
    let topic = topic_with_repeats_and_late_records().await;
    let root = env!("CARGO_MANIFEST_DIR");
    let mut python = limited("python3");
    python.arg(format!("{root}/docs/examples/consumer.py")).env("PYTHONPATH", format!("{root}/target/python"));
    assert_eq!(consume(python, &topic, &format!("py-{topic}")).await, applied());
}
