//! Kafka starts, stores records, is killed, is paused and comes back.

use std::time::Duration;

use crate::support::{Kafka, Record, Transaction, eventually_some, kafka};

#[tokio::test]
async fn a_record_is_read_back_unchanged() {
    let topic = kafka().create_topic("smoke", 2, &[]).await;
    let record = Record::new("ada", "{}").partition(1).timestamp(1_700_000_000_000).header("source", "test");
    assert_eq!(kafka().produce(&topic, record).await, (1, 0));
    kafka().produce(&topic, Record::tombstone("ada").partition(0)).await;

    let records = kafka().read_all(&topic).await;
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].value, None);
    assert_eq!((records[1].key_text(), records[1].json()), ("ada", serde_json::json!({})));
    assert_eq!((records[1].header("source"), records[1].timestamp), (Some("test"), Some(1_700_000_000_000)));
    assert_eq!(kafka().end_offsets(&topic).await, [1, 1]);
    assert_eq!(kafka().committed("no-such-group", &topic).await, [None, None]);
}

#[tokio::test]
async fn many_records_are_read_to_the_end_past_control_records() {
    let topic = kafka().create_topic("smoke-bulk", 3, &[]).await;
    kafka().produce_all(&topic, (0..25_000).map(|n| Record::new(n.to_string(), "x"))).await;
    kafka().produce_in_transaction(&topic, vec![Record::new("kept", "x")], Transaction::Committed).await;
    kafka().produce_in_transaction(&topic, vec![Record::new("lost", "x")], Transaction::Aborted).await;

    let records = kafka().read_all(&topic).await;
    assert_eq!(records.len(), 25_001);
    assert!(!records.iter().any(|record| record.key_text() == "lost"));
}

#[tokio::test]
async fn a_topic_may_allow_records_of_25_mib() {
    let config = [("max.message.bytes", "26300000")];
    let topic = kafka().create_topic("smoke-large", 1, &config).await;
    let large = vec![b'x'; 25 * 1024 * 1024];
    kafka().produce(&topic, Record::new("ada", large.clone())).await;
    assert_eq!(kafka().read_all(&topic).await[0].value.as_ref().map(Vec::len), Some(large.len()));
}

#[tokio::test]
async fn partitions_are_added_and_topics_and_records_are_deleted() {
    let topic = kafka().create_topic("smoke-changing", 1, &[]).await;
    kafka().produce_all(&topic, (0..5).map(|_| Record::without_key("x"))).await;
    kafka().delete_records_before(&topic, 0, 3).await;
    assert_eq!(kafka().start_offsets(&topic).await, [3]);
    kafka().add_partitions(&topic, 3).await;
    assert_eq!(kafka().partitions(&topic).await, 3);
    kafka().delete_topic(&topic).await;
    assert_eq!(kafka().partitions(&topic).await, 0);
}

#[tokio::test]
async fn a_dedicated_broker_comes_back_on_its_data_after_it_was_killed() {
    let broker = Kafka::dedicated().await;
    let topic = broker.create_topic("smoke-killed", 1, &[]).await;
    broker.produce(&topic, Record::new("ada", "before")).await;

    broker.kill();
    broker.start();

    broker.produce(&topic, Record::new("ada", "after")).await;
    let values: Vec<_> = broker.read_all(&topic).await.into_iter().filter_map(|record| record.value).collect();
    assert_eq!(values, [b"before".to_vec(), b"after".to_vec()]);

    broker.pause();
    let asking = tokio::time::timeout(Duration::from_millis(300), broker.end_offsets(&topic));
    assert!(asking.await.is_err(), "it answered");
    broker.resume();
    let ends =
        eventually_some(Duration::from_secs(30), "an answer", || async { Some(broker.end_offsets(&topic).await) });
    assert_eq!(ends.await, [2]);
}
