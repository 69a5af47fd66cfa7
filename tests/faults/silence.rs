//! The address of the database swallows packets: connections stay open and nothing arrives.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Proxy, eventually, http_get};

/// How long the address of the database swallows packets, and how soon after it answers again everything is right: the deadline
/// of a transaction, the longest pause between attempts, and some.
const SILENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_secs(15);
/// How often events are produced during the silence.
const PACE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_swallows_packets_for_twenty_seconds_is_right_within_seconds_after() {
    let scene = Scene::new(2).await;
    scene.add_users(500).await;
    let proxy = Proxy::to(scene.database.url());
    let settings = [("DATABASE_URL", proxy.url()), ("SEGMENTER_DATABASE_STATEMENT_TIMEOUT", "4s")];
    let process = scene.serve_with(&settings);
    let produced = std::cell::Cell::new(0);
    let produce = async || {
        produced.set(produced.get() + 1);
        scene.produce(&history(500, 20, produced.get())).await;
    };
    eventually(DEADLINE, "some changes are published", || async {
        produce().await;
        !scene.kafka.read_all(&scene.changes).await.is_empty()
    })
    .await;

    proxy.swallow(true);
    // No open connection comes back.
    proxy.lose_connections();
    // Paced: what has to be caught up with does not depend on the speed of the machine.
    let (begun, mut pace) = (Instant::now(), tokio::time::interval(PACE));
    while begun.elapsed() < SILENCE {
        pace.tick().await;
        produce().await;
    }
    let address = process.http_address().await;
    let ready = http_get(address, "/health/ready").await;
    assert!(ready.status == 503 && ready.body.contains("did not answer"), "{ready:?}");
    assert_eq!(http_get(address, "/health/live").await.status, 200);

    proxy.swallow(false);
    let answers_again = Instant::now();
    scene.settled().await;
    let took = answers_again.elapsed();
    println!("everything was right {took:?} after the address answered again");
    assert!(took < SOON, "{took:?}");
    scene.assert_right().await;
    assert_eq!(http_get(address, "/health/ready").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_process_that_waits_at_its_start_for_a_silent_database_or_registry() {
    let scene = Scene::new(1).await;
    let proxy = Proxy::to(scene.database.url());
    proxy.swallow(true);
    let mut without_database = scene.serve_with(&[("DATABASE_URL", proxy.url())]);
    // The kernel accepts connections for it.
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = format!("http://{}", registry.local_addr().unwrap());
    let settings = [("SCHEMA_REGISTRY_URL", registry.as_str()), ("SEGMENTER_TOPICS_SEGMENT_CHANGED_ENCODING", "avro")];
    let mut without_registry = scene.serve_with(&settings);
    for (process, waits) in [
        (&mut without_database, "the database is unavailable; waiting for it"),
        (&mut without_registry, "the schema registry is unavailable; waiting for it"),
    ] {
        process.wait_for_log(waits).await;
        let begun = Instant::now();
        process.terminate();
        assert_eq!(process.wait(DEADLINE).await.code(), Some(0), "{waits}");
        assert!(begun.elapsed() < SOON, "{waits}: {:?}", begun.elapsed());
    }
}
