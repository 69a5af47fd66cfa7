//! Batches that are damaged in the broker's log, and names of headers and topics that are not UTF-8.

use std::time::{Duration, Instant};

use crate::scene::{DEADLINE, Numbers, Scene, history, onboarding_event, record};
use crate::support::{Record, Segmenter, eventually, http_get, kafkajs_leader, segmenter};
use crate::world::table;

/// The magic bytes of a gzip member.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// The length of a gzip header.
const GZIP_HEADER: u64 = 10;
/// The header of a stored block that claims more bytes (65,535) than follow.
const ENDLESS: [u8; 5] = [1, 0xff, 0xff, 0, 0];

/// A pod's grace period after SIGTERM.
const GRACE_PERIOD: Duration = Duration::from_secs(45);

/// Onboardings of twenty users for one partition.
fn onboardings(partition: i32, seed: u64) -> Vec<Record> {
    let mut numbers = Numbers(seed);
    let event = |id: u64| {
        let user = format!("user-{}", id % 20);
        record(&user, &onboarding_event(&user, seed * 1_000 + id, &mut numbers)).partition(partition)
    };
    (0..40).map(event).collect()
}

async fn is_named(process: &Segmenter, place: &str) {
    let address = process.http_address().await;
    eventually(DEADLINE, "readiness names the partition", || async {
        let ready = http_get(address, "/health/ready").await;
        ready.status == 503 && ready.body.contains(place)
    })
    .await;
    assert!(process.log().iter().any(|line| line.contains("does not move") && line.contains(place)));
    assert_eq!(http_get(address, "/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_decompressed_stops_its_partition_alone_is_counted_and_named() {
    let scene = Scene::new(2).await;
    scene.add_users(20).await;
    scene.kafka.produce_all(&scene.onboarding, onboardings(0, 1)).await;
    scene.kafka.produce_gzip(&scene.onboarding, onboardings(0, 2)).await;
    let place = scene.kafka.find_in_log(&scene.onboarding, 0, &GZIP);
    scene.kafka.overwrite_log(&scene.onboarding, 0, place, &[0; 3]);
    let process = scene.serve();
    is_named(&process, &format!("{}[0] at offset 40", scene.onboarding)).await;

    scene.kafka.produce_all(&scene.onboarding, onboardings(1, 3)).await;
    scene
        .produce(&history(20, 100, 4).into_iter().filter(|(is_onboarding, ..)| !is_onboarding).collect::<Vec<_>>())
        .await;
    eventually(DEADLINE, "the other partitions are read to their end", || async {
        scene.kafka.committed(&scene.group, &scene.onboarding).await == [Some(40), Some(40)]
            && scene
                .kafka
                .committed(&scene.group, &scene.updates)
                .await
                .iter()
                .map(|at| at.unwrap_or(0))
                .collect::<Vec<_>>()
                == scene.kafka.end_offsets(&scene.updates).await
    })
    .await;
    let address = process.http_address().await;
    let metrics = http_get(address, "/metrics").await.body;
    let counted = metrics.lines().find_map(|line| line.strip_prefix("segmenter_undecodable_batches_total "));
    assert!(counted.unwrap().parse::<u64>().unwrap() > 0);

    scene.kafka.overwrite_log(&scene.onboarding, 0, place, &GZIP);
    scene.settled().await;
    scene.assert_right().await;
    eventually(DEADLINE, "the process is ready again", || async {
        http_get(address, "/health/ready").await.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_skips_a_batch_that_cannot_be_decompressed_and_loses_its_records_alone() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.kafka.produce_all(&scene.onboarding, onboardings(0, 9)).await;
    scene.kafka.produce_gzip(&scene.onboarding, onboardings(0, 10)).await;
    let damaged = scene.kafka.find_in_log(&scene.onboarding, 0, &GZIP);
    scene.kafka.overwrite_log(&scene.onboarding, 0, damaged, &[0; 3]);
    let behind = scene.kafka.end_offsets(&scene.onboarding).await[0];
    scene.database.add_users(["user-20"]).await;
    let event = onboarding_event("user-20", 9_999, &mut Numbers(11));
    scene.kafka.produce(&scene.onboarding, record("user-20", &event).partition(0)).await;
    let mut process = scene.serve();
    is_named(&process, &format!("{}[0] at offset 40", scene.onboarding)).await;
    assert!(!process.log().iter().any(|line| line.contains("recovers")), "{:#?}", process.log());
    process.terminate();
    assert_eq!(process.wait(GRACE_PERIOD).await.code(), Some(0));

    let (place, behind) = (format!("{}:0", scene.onboarding), behind.to_string());
    let to_the_next = ["--reset-offsets", "--topic", &place, "--to-offset", &behind, "--execute"];
    scene.kafka.consumer_groups(&scene.group, &to_the_next).await;
    let process = scene.serve();
    scene.settled().await;
    let users = table(scene.database.pool()).await;
    assert_eq!((users.len(), users.contains_key("user-20")), (21, true), "{users:?}");
    let address = process.http_address().await;
    assert_eq!(http_get(address, "/health/ready").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_stream_that_ends_early_is_named_and_does_not_outlast_sigterm() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.kafka.produce_all(&scene.onboarding, onboardings(0, 5)).await;
    scene.kafka.produce_gzip(&scene.onboarding, onboardings(0, 6)).await;
    let place = scene.kafka.find_in_log(&scene.onboarding, 0, &GZIP) + GZIP_HEADER;
    let before = scene.kafka.overwrite_log(&scene.onboarding, 0, place, &ENDLESS);
    let mut process = scene.serve();
    // A fetch that returns both batches is delivered only once the second one is decompressed.
    let named = format!("{}[0] at offset ", scene.onboarding);
    is_named(&process, &named).await;

    let asked = Instant::now();
    process.terminate();
    assert_eq!(process.wait(GRACE_PERIOD).await.code(), Some(0));
    assert!(asked.elapsed() < GRACE_PERIOD);
    assert!(process.log().iter().any(|line| line.contains("a Kafka client does not close")), "{:#?}", process.log());

    scene.kafka.overwrite_log(&scene.onboarding, 0, place, &before);
    let _next = scene.serve();
    scene.settled().await;
    scene.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_reads_a_damaged_batch_names_it_and_ends() {
    let scene = Scene::new(1).await;
    scene.kafka.produce_gzip(&scene.dead, onboardings(0, 7)).await;
    let place = scene.kafka.find_in_log(&scene.dead, 0, &GZIP);
    for (damage, at, code) in [([0; 5].as_slice(), place, 1), (ENDLESS.as_slice(), place + GZIP_HEADER, 75)] {
        let before = scene.kafka.overwrite_log(&scene.dead, 0, at, damage);
        let listed = segmenter(&["dlq", "list"], &scene.environment()).finish(DEADLINE).await;
        assert_eq!(listed.code, Some(code), "{listed:?}");
        assert!(listed.log.contains(&format!("{}[0]", scene.dead)) && listed.log.contains("offset 0"), "{listed:?}");
        scene.kafka.overwrite_log(&scene.dead, 0, at, &before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_name_that_is_not_utf_8_reaches_the_dead_letters_and_stops_nothing() {
    const TEXT: &[u8] = b"x-of-producer";
    let name = [b"x-\xff".as_slice(), &TEXT[3..]].concat();
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    let with_header = |record: Record| record.header("x-of-producer", "crm");
    for record in onboardings(0, 8).into_iter().take(2).chain([Record::new("user-0", "{")]) {
        scene.kafka.produce(&scene.onboarding, with_header(record)).await;
        let place = scene.kafka.find_in_log(&scene.onboarding, 0, TEXT);
        scene.kafka.overwrite_log(&scene.onboarding, 0, place, &name);
    }
    let mut process = scene.serve();
    scene.settled().await;
    assert!(process.is_running());
    scene.assert_right().await;
    assert_eq!(scene.dead_letters().await.len(), 1);
    scene.kafka.find_in_log(&scene.dead, 0, &name);
    let shown = segmenter(&["dlq", "show", "0:0"], &scene.environment()).finish(DEADLINE).await;
    assert!(shown.stdout.contains("x-\u{fffd}f-producer  crm"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_of_the_group_that_assigns_a_topic_whose_name_is_not_utf_8_stops_nothing() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let _leader = kafkajs_leader(scene.kafka.brokers(), &scene.group, &scene.onboarding).await;
    scene.kafka.produce_all(&scene.onboarding, onboardings(0, 9).into_iter().take(1)).await;
    let mut process = scene.serve();
    eventually(DEADLINE, "the partition that is an input topic's is read", || async {
        scene.kafka.committed(&scene.group, &scene.onboarding).await == [Some(1)]
    })
    .await;
    assert_eq!(table(scene.database.pool()).await.len(), 1);
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}
