//! Real processes killed at the worst moments: no change is lost, and none is published that was not committed.

use crate::faults::failpoint;
use crate::scene::{DEADLINE, Scene, history};
use crate::support::eventually;
use crate::world::table;

/// Kills a process with SIGKILL at `point` with records in flight, then lets another finish.
async fn killed_at(point: &str) {
    let scene = Scene::new(1).await;
    scene.add_users(40).await;
    let (early, late) = (history(40, 200, 21), history(40, 200, 22));
    scene.produce(&early).await;
    let failpoints = failpoint(point, "pause");
    let mut doomed = scene.serve_with(&[("FAILPOINTS", &failpoints), ("SEGMENTER_OUTBOX_LEASE", "15s")]);
    doomed.wait_for_log(&format!("{point} reached")).await;
    // Its other tasks continue, and more records arrive.
    scene.produce(&late).await;
    doomed.kill();
    doomed.wait(DEADLINE).await;
    let _survivor = scene.serve();
    eventually(DEADLINE, "the survivor writes", || async { !table(scene.database.pool()).await.is_empty() }).await;
    scene.expire_leases().await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_transaction_commits_loses_nothing() {
    killed_at("before-commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_right_after_the_commit_loses_no_change() {
    killed_at("after-commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_the_commit_and_before_publishing_loses_no_change() {
    killed_at("before-publish").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_the_acks_and_before_the_revision_check_leaves_the_newest_last() {
    killed_at("after-acks").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_outbox_row_is_deleted_repeats_the_published_change() {
    killed_at("before-outbox-delete").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_offset_commit_only_delivers_again() {
    killed_at("before-offset-commit").await;
}
