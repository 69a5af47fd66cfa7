//! Several processes: zombies that wake, concurrent folds of the same users, processes that start and stop.

use crate::faults::{failpoint, rounds};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Segmenter, eventually, http_get};
use crate::world::table;

async fn committed(scene: &Scene) -> Vec<i64> {
    let mut offsets = scene.kafka.committed(&scene.group, &scene.onboarding).await;
    offsets.extend(scene.kafka.committed(&scene.group, &scene.updates).await);
    offsets.into_iter().map(|offset| offset.unwrap_or(0)).collect()
}

/// The zombie wakes after all newer records are processed, runs for a while beside the others and ends on SIGTERM.
async fn assert_the_zombie_harms_nothing(scene: &Scene, mut zombie: Segmenter) {
    scene.read().await;
    scene.expire_leases().await;
    scene.settled().await;
    let before = committed(scene).await;
    zombie.resume();
    zombie.wait_for_log("partitions lost").await;
    zombie.terminate();
    assert_eq!(zombie.wait(DEADLINE).await.code(), Some(0));
    let after = committed(scene).await;
    assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "{before:?} became {after:?}");
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_wakes_after_its_session_overwrites_nothing() {
    let scene = Scene::new(2).await;
    scene.add_users(100).await;
    // It may be frozen within a transaction; the database releases its locks after this time.
    let zombie = scene.serve_with(&[("SEGMENTER_DATABASE_STATEMENT_TIMEOUT", "3s")]);
    zombie.wait_for_log("partitions assigned").await;
    scene.produce(&history(100, 1_000, 41)).await;
    eventually(DEADLINE, "some rows are written", || async { !table(scene.database.pool()).await.is_empty() }).await;
    zombie.pause();
    let _survivor = scene.serve();
    scene.produce(&history(100, 1_000, 42)).await;
    assert_the_zombie_harms_nothing(&scene, zombie).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_frozen_within_a_transaction_blocks_others_only_briefly_and_overwrites_nothing() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    let failpoints = failpoint("before-commit", "1*sleep(5000)");
    let short = ("SEGMENTER_DATABASE_STATEMENT_TIMEOUT", "3s");
    let zombie = scene.serve_with(&[("FAILPOINTS", &failpoints), short]);
    zombie.wait_for_log("partitions assigned").await;
    scene.produce(&history(20, 200, 43)).await;
    zombie.wait_for_log("before-commit reached").await;
    zombie.pause();
    let _survivor = scene.serve_with(&[short]);
    scene.produce(&history(20, 200, 44)).await;
    assert_the_zombie_harms_nothing(&scene, zombie).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_at_full_speed_on_the_same_users_lose_nothing() {
    let scene = Scene::new(4).await;
    scene.add_users(30).await;
    let processes = [scene.serve(), scene.serve()];
    for process in &processes {
        process.wait_for_log("partitions assigned").await;
    }
    scene.produce(&history(30, 3_000, 45)).await;
    scene.settled().await;
    scene.assert_right().await;
    for process in &processes {
        let metrics = http_get(process.http_address().await, "/metrics").await.body;
        let batches = metrics.lines().find_map(|line| line.strip_prefix("segmenter_batch_records_count ")).unwrap();
        assert!(batches.parse::<u64>().unwrap() > 0, "both had records to process");
    }
    assert!(scene.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_come_and_go_by_sigterm_and_sigkill_lose_nothing() {
    let scene = Scene::new(4).await;
    scene.add_users(200).await;
    let mut processes: Vec<Segmenter> = (0..4).map(|_| scene.serve()).collect();
    for round in 0..rounds(5, 50) {
        scene.produce(&history(200, 500, 50 + round)).await;
        let mut leaver = processes.remove(0);
        leaver.wait_for_log("partitions assigned").await;
        if round % 2 == 0 {
            leaver.kill();
        } else {
            leaver.terminate();
        }
        processes.push(scene.serve());
        leaver.wait(DEADLINE).await;
    }
    scene.read().await;
    scene.expire_leases().await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}
