//! The documented metrics are those of a running service.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::scene::{DEADLINE, Numbers, Scene, history, onboarding_event, record, update_event};
use crate::support::{Postgres, Record, eventually, http_get};
use crate::world::migrate;

/// Names and kinds in the documentation.
fn documented() -> BTreeMap<String, String> {
    let rows = include_str!("../docs/metrics.md").lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once("` | ").unwrap();
        (name.to_owned(), rest.split(" |").next().unwrap().to_owned())
    })
    .collect()
}

/// Names and kinds in a scrape.
fn scraped(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|row| row.split_once(' ').unwrap()).map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_exports_exactly_the_metrics_of_the_documentation() {
    let mut scene = Scene::new(1).await;
    scene.onboarding = scene.kafka.create_topic("onboarding", 1, &[("retention.ms", "604800000")]).await;
    scene.add_users(1).await;
    let mut numbers = Numbers(1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let onboarding = record("user-0", &onboarding_event("user-0", 1, &mut numbers)).timestamp(now - 60_000);
    scene.kafka.produce(&scene.onboarding, onboarding).await;
    scene.kafka.produce(&scene.updates, record("user-0", &update_event("user-0", 2, &mut numbers))).await;
    scene.kafka.produce(&scene.updates, Record::new("user-0", "not JSON")).await;
    let process = scene.serve();
    scene.settled().await;
    let address = process.http_address().await;
    eventually(DEADLINE, "lag and retention are known", || async {
        let text = http_get(address, "/metrics").await.body;
        text.contains("segmenter_oldest_unprocessed_seconds{") && text.contains("segmenter_topic_retention_seconds{")
    })
    .await;
    let text = http_get(address, "/metrics").await.body;
    assert_eq!(scraped(&text), documented());
    let of = |line: &str| {
        let found = text.lines().find_map(|row| row.strip_prefix(line)).unwrap_or_else(|| panic!("{line} is missing"));
        found.trim().parse::<f64>().unwrap()
    };
    assert!(of("process_resident_memory_bytes ") > 1e6);
    assert!(of("segmenter_database_connections{state=\"idle\"} ") > 0.0);
    assert!(of("segmenter_kafka_connects_total ") > 0.0);
    assert_eq!(of("segmenter_dead_letters_total{reason=\"malformed\"} "), 1.0);
    assert!(of("segmenter_stage_duration_seconds_count{stage=\"transaction\"} ") > 0.0);
    let retention = format!("segmenter_topic_retention_seconds{{topic=\"{}\"}} ", scene.onboarding);
    assert_eq!(of(&retention), 7.0 * 86_400.0);
    assert!(!text.contains(&retention.replace(&scene.onboarding, &scene.updates)), "age deletes none of its records");
    let delayed_up_to = |bound: &str| of(&format!("segmenter_publish_delay_seconds_bucket{{le=\"{bound}\"}} "));
    assert!(delayed_up_to("30") < delayed_up_to("300"), "the record waited for a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_wait_for_an_unavailable_database_show_with_their_age() {
    let server = Postgres::dedicated().await;
    let mut scene = Scene::new(1).await;
    scene.database = server.upstream_after_ia().await;
    migrate(&scene.database).await;
    scene.add_users(20).await;
    let process = scene.serve();
    let address = process.http_address().await;
    process.wait_for_log("partitions started").await;
    server.stop_immediate();
    scene.produce(&history(20, 100, 6)).await;
    // All records are read, so there is no lag, and none is finished.
    eventually(DEADLINE, "the records in flight age", || async {
        let status = http_get(address, "/api/status").await.json();
        let is_above = |value: &serde_json::Value, least: f64| value.as_f64() > Some(least);
        status["lag"]["records"] == 0.0
            && is_above(&status["intake"]["records"], 50.0)
            && is_above(&status["lag"]["oldestSeconds"], 2.0)
            && status["health"]["ready"] == false
    })
    .await;
    server.start();
    scene.settled().await;
    eventually(DEADLINE, "no record waits any more", || async {
        let status = http_get(address, "/api/status").await.json();
        status["lag"]["oldestSeconds"] == 0.0 && status["health"]["ready"] == true
    })
    .await;
}
