//! Connections to the database break.

use crate::scene::DEADLINE;
use crate::scene::{Scene, history};
use crate::support::{Cut, Proxy, eventually};

/// Cuts three connections at their COMMIT.
async fn cut_at_the_commit(cut: Cut) {
    let scene = Scene::new(1).await;
    scene.add_users(30).await;
    let proxy = Proxy::to(scene.database.url());
    let process = scene.serve_with(&[("DATABASE_URL", proxy.url())]);
    process.wait_for_log("partitions assigned").await;
    proxy.cut_next(cut, 3);
    scene.produce(&history(30, 200, 31)).await;
    eventually(DEADLINE, "three connections are cut", || async { proxy.cuts_to_come() == 0 }).await;
    scene.produce(&history(30, 200, 32)).await;
    scene.read().await;
    // The outbox holds rows whose writer does not know that they are committed.
    scene.expire_leases().await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_before_a_commit_arrives_loses_nothing() {
    cut_at_the_commit(Cut::BeforeCommit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_has_exactly_one_effect() {
    cut_at_the_commit(Cut::AfterCommit).await;
}
