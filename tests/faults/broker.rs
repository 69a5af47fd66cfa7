//! Outages of the broker.

use crate::faults::rounds;
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Kafka, eventually, http_get};
use crate::world::table;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_again_and_again_under_load_loses_nothing() {
    // Leaked, because a scene's broker outlives every test.
    let kafka: &'static Kafka = Box::leak(Box::new(Kafka::dedicated().await));
    let scene = Scene::on(kafka, 2).await;
    scene.add_users(200).await;
    let process = scene.serve();
    let address = process.http_address().await;
    for round in 0..rounds(3, 20) {
        scene.produce(&history(200, 1_000, 100 + round)).await;
        eventually(DEADLINE, "some rows are written", || async { !table(scene.database.pool()).await.is_empty() })
            .await;
        kafka.kill();
        assert_eq!(http_get(address, "/health/live").await.status, 200);
        tokio::task::block_in_place(|| kafka.start());
    }
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}
