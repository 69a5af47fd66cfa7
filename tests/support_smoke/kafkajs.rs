//! The tests read the records of KafkaJS producers, as on the platform.

use serde_json::json;

use crate::support::{Record, kafka, kafkajs_produce};

#[tokio::test]
async fn compressed_kafkajs_records_are_read_back_from_the_partition_that_java_clients_choose() {
    let kafkajs_topic = kafka().create_topic("smoke-kafkajs", 3, &[]).await;
    let ours = kafka().create_topic("smoke-ours", 3, &[]).await;
    let users: Vec<String> = (0..20).map(|n| format!("user-{n}")).collect();
    let lines: Vec<_> = users
        .iter()
        .map(|user| {
            json!({"topic": kafkajs_topic, "key": user, "eventType": "user.profile.updated", "payload": {"userId": user}})
        })
        .collect();

    kafkajs_produce(kafka().brokers(), &lines).await;
    kafka().produce_all(&ours, users.iter().map(|user| Record::new(user.as_str(), "{}"))).await;

    let theirs = kafka().read_all(&kafkajs_topic).await;
    assert_eq!(theirs.len(), users.len());
    for record in &theirs {
        assert_eq!(record.json()["payload"]["userId"], record.key_text());
        assert_eq!(record.header("eventType"), Some("user.profile.updated"));
    }
    let placed = |records: &[crate::support::OwnedRecord]| -> Vec<(i32, String)> {
        records.iter().map(|record| (record.partition, record.key_text().to_owned())).collect()
    };
    assert_eq!(placed(&theirs), placed(&kafka().read_all(&ours).await));
}

#[tokio::test]
async fn kafkajs_sends_raw_values_and_tombstones_as_they_are_given() {
    let topic = kafka().create_topic("smoke-kafkajs-raw", 1, &[]).await;
    let lines = [
        json!({"topic": topic, "key": "ada", "value": "not json", "headers": {"source": "test"}}),
        json!({"topic": topic, "key": "ada", "value": null}),
    ];
    kafkajs_produce(kafka().brokers(), &lines).await;
    let records = kafka().read_all(&topic).await;
    assert_eq!(records[0].value.as_deref(), Some(b"not json".as_slice()));
    assert_eq!((records[0].header("source"), &records[1].value), (Some("test"), &None));
}
