//! Rejected records, and a dead-letter topic that does not accept them.

use sha2::{Digest, Sha256};

use crate::scene::{DEADLINE, Numbers, Scene, history, onboarding_event, record};
use crate::support::{OwnedRecord, Record, eventually, http_get};
use crate::world::table;

fn good(user: &str, id: u64) -> Record {
    record(user, &onboarding_event(user, id, &mut Numbers(id)))
}

/// Malformed, of this length, and incompressible to less than half of it.
fn malformed(length: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    (0..length).map(|_| b'a' + u8::try_from(numbers.below(26)).unwrap()).collect()
}

fn reasons(dead_letters: &[OwnedRecord], reason: &str) -> usize {
    dead_letters.iter().filter(|dead_letter| dead_letter.header("segmenter.reason") == Some(reason)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trickle_of_bad_records_and_a_thousand_unknown_users_do_not_stop_it() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let trickle = (0..4).flat_map(|round| {
        let bad = (0..29).map(|_| Record::new("user-0", "{"));
        bad.chain([good("user-0", round)])
    });
    let strangers = (0..1_000).map(|number| good(&format!("stranger-{number}"), number));
    scene.kafka.produce_all(&scene.onboarding, trickle.chain(strangers)).await;
    let mut process = scene.serve_with(&[("SEGMENTER_LIMITS_MAX_CONSECUTIVE_REJECTIONS", "30")]);
    scene.settled().await;
    assert!(process.is_running());
    let dead_letters = scene.dead_letters().await;
    assert_eq!((reasons(&dead_letters, "malformed"), reasons(&dead_letters, "unknown_user")), (4 * 29, 1_000));
    assert_eq!(table(scene.database.pool()).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unknown_user_among_a_thousand_is_the_only_dead_letter() {
    let scene = Scene::new(1).await;
    scene.add_users(999).await;
    let users = (0..999).map(|number| format!("user-{number}"));
    let mut records: Vec<Record> = users.enumerate().map(|(id, user)| good(&user, id as u64)).collect();
    records.insert(500, good("stranger", 500));
    let places = scene.kafka.produce_all(&scene.onboarding, records).await;
    let _process = scene.serve();
    scene.settled().await;
    assert_eq!(table(scene.database.pool()).await.len(), 999);
    let dead_letters = scene.dead_letters().await;
    assert_eq!((dead_letters.len(), reasons(&dead_letters, "unknown_user")), (1, 1));
    assert_eq!(dead_letters[0].header("__connect.errors.offset"), Some(places[500].1.to_string().as_str()));
    scene.assert_changes_form_chains().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_committed_past_a_dead_letter_that_cannot_be_written_and_all_is_written_once_it_can() {
    let mut scene = Scene::new(1).await;
    scene.add_users(50).await;
    scene.dead = format!("{}-late", scene.dead);
    scene.produce(&history(50, 100, 71)).await;
    let bad = (0..3).map(|_| Record::new("user-0", "{"));
    let (_, first_bad) = scene.kafka.produce_all(&scene.onboarding, bad).await[0];
    scene.produce(&history(50, 100, 72)).await;
    let process = scene.serve();
    let address = process.http_address().await;
    eventually(DEADLINE, "readiness names the missing topic", || async {
        let ready = http_get(address, "/health/ready").await;
        ready.status == 503 && ready.body.contains(&scene.dead)
    })
    .await;
    eventually(DEADLINE, "the records before it are committed", || async {
        scene.kafka.committed(&scene.group, &scene.onboarding).await == [Some(first_bad)]
    })
    .await;
    process.wait_for_log("could not write dead letters").await;
    assert_eq!(scene.kafka.committed(&scene.group, &scene.onboarding).await, [Some(first_bad)]);
    scene.kafka.create_topic_named(&scene.dead, 1, &[]).await;
    scene.settled().await;
    assert_eq!(scene.dead_letters().await.len(), 3);
    scene.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_with_a_dead_letter_that_cannot_be_written_is_paused_alone_within_the_budget_until_it_can() {
    /// Twice the budget of open records.
    const BUDGET: u64 = 200;
    /// How many records are polled between two looks at the budget, and some.
    const SLACK: u64 = 20;
    let mut scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.dead = format!("{}-late", scene.dead);
    scene.kafka.produce(&scene.onboarding, Record::new("user-0", "{")).await;
    scene.produce(&history(20, 2_000, 73)).await;
    let process =
        scene.serve_with(&[("SEGMENTER_IN_FLIGHT_MAX_RECORDS", "100"), ("SEGMENTER_BATCH_MAX_RECORDS", "20")]);
    process.wait_for_log("a partition is paused").await;
    let address = process.http_address().await;
    eventually(DEADLINE, "the other topic is read to its end", || async {
        scene.kafka.committed(&scene.group, &scene.updates).await
            == [Some(scene.kafka.end_offsets(&scene.updates).await[0])]
    })
    .await;
    eventually(DEADLINE, "every record of the budget waits behind the first", || async {
        let in_flight = gauge(address, "segmenter_in_flight_records").await;
        assert!(in_flight <= BUDGET + SLACK, "{in_flight} records in flight");
        in_flight >= BUDGET
    })
    .await;
    scene.kafka.create_topic_named(&scene.dead, 1, &[]).await;
    scene.settled().await;
    assert_eq!(scene.dead_letters().await.len(), 1);
    scene.assert_right().await;
    assert_eq!(gauge(address, "segmenter_in_flight_records").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_headers_count_towards_the_bytes_in_flight() {
    const HEADER: usize = 200_000;
    let mut scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.dead = format!("{}-late", scene.dead);
    let padding = "x".repeat(HEADER);
    let bad = Record::new("user-0", "{").header("padding", padding.as_str());
    scene.kafka.produce_all(&scene.onboarding, [bad]).await;
    let process = scene.serve_with(&[
        ("SEGMENTER_IN_FLIGHT_MAX_BYTES", "128KiB"),
        ("SEGMENTER_BATCH_MAX_BYTES", "64KiB"),
        ("SEGMENTER_LIMITS_MAX_VALUE_BYTES", "64KiB"),
    ]);
    process.wait_for_log("intake paused").await;
    let in_flight = gauge(process.http_address().await, "segmenter_in_flight_bytes").await;
    assert_eq!(in_flight, (HEADER + "padding".len() + "user-0".len() + "{".len()) as u64);
}

/// The value of a metric without labels.
async fn gauge(address: std::net::SocketAddr, name: &str) -> u64 {
    let metrics = http_get(address, "/metrics").await.body;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.expect("the metric is served").parse().expect("a whole number")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_value_too_large_for_the_dead_letter_topic_is_truncated_and_carries_length_and_hash() {
    let mut scene = Scene::new(1).await;
    scene.dead = scene.kafka.create_topic("dead", 1, &[("max.message.bytes", "20000")]).await;
    let mut values: Vec<Vec<u8>> = (0..30).map(|seed| malformed(3_000, seed)).collect();
    values.insert(10, malformed(100_000, 99));
    let records = values.iter().map(|value| Record::new("user-0", value.clone()));
    scene.kafka.produce_all(&scene.onboarding, records.collect::<Vec<_>>()).await;
    let _process = scene.serve();
    scene.settled().await;
    let mut dead_letters = scene.dead_letters().await;
    dead_letters
        .sort_by_key(|dead_letter| dead_letter.header("__connect.errors.offset").unwrap().parse::<i64>().unwrap());
    assert_eq!(dead_letters.len(), values.len());
    let large = dead_letters.remove(10);
    let original = values.remove(10);
    let hash: String = Sha256::digest(&original).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(large.header("segmenter.length"), Some("100000"));
    assert_eq!(large.header("segmenter.sha256"), Some(hash.as_str()));
    let kept = large.value.unwrap();
    assert!(!kept.is_empty() && original.starts_with(&kept));
    for (dead_letter, value) in dead_letters.iter().zip(&values) {
        assert_eq!(dead_letter.header("segmenter.sha256"), None, "a value that fits is not truncated");
        assert_eq!(dead_letter.value.as_ref(), Some(value));
    }
}
