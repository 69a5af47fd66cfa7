//! Late publishers: the last record of a user is the newest revision, whichever process publishes last.

use serde_json::Value;

use crate::faults::failpoint;
use crate::scene::{DEADLINE, Numbers, Scene, history, onboarding_event, record};
use crate::support::{Segmenter, eventually};
use crate::world::table;

/// An onboarding at this second; different groups and budgets give different rankings.
fn onboarding_at(second: u64, group: &str, budget: u64) -> Value {
    let mut event = onboarding_event("user-0", second, &mut Numbers(second));
    event["payload"]["completedAt"] = format!("2026-03-01T11:00:{second:02}.000Z").into();
    let preferences = &mut event["payload"]["profile"]["preferences"];
    preferences["travel"]["groupTypes"] = [group].as_slice().into();
    preferences["budget"]["globalRange"] = serde_json::json!({"min": budget, "max": budget, "currency": "EUR"});
    event
}

async fn produce(scene: &Scene, event: &Value) {
    scene.kafka.produce(&scene.onboarding, record("user-0", event)).await;
}

async fn revisions(scene: &Scene) -> Vec<i64> {
    let records = scene.kafka.read_all(&scene.changes).await;
    records.iter().map(|record| record.header("segmenter.revision").unwrap().parse().unwrap()).collect()
}

/// A process that is frozen after committing an older change and before publishing it; `then` are its further failpoints.
async fn frozen_before_publishing(scene: &Scene, then: &str) -> Segmenter {
    let failpoints = format!("{};{then}", failpoint("before-publish", "1*sleep(3000)"));
    let late = scene.serve_with(&[("FAILPOINTS", &failpoints)]);
    produce(scene, &onboarding_at(1, "SOLO", 20)).await;
    late.wait_for_log("before-publish reached").await;
    scene.read().await;
    late.pause();
    late
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_wakes_after_its_lease_publishes_the_newer_change_again_last() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let late = frozen_before_publishing(&scene, "").await;
    let _prompt = scene.serve();
    scene.expire_leases().await;
    scene.settled().await;
    produce(&scene, &onboarding_at(2, "FAMILY", 400)).await;
    scene.settled().await;
    late.resume();
    eventually(DEADLINE, "the late process has published", || async { revisions(&scene).await.len() >= 4 }).await;
    scene.settled().await;
    let published = revisions(&scene).await;
    assert!(published.len() == 4 && published[0] < published[1], "{published:?}");
    assert_eq!(published[..2], published[2..], "the older change is published late, then the newer one again");
    scene.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_a_newer_change_was_published_again_and_before_the_outbox_row_is_deleted_leaves_the_newest_last() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let mut late = frozen_before_publishing(&scene, &failpoint("before-outbox-delete", "pause")).await;
    let _prompt = scene.serve();
    produce(&scene, &onboarding_at(2, "FAMILY", 400)).await;
    scene.read().await;
    eventually(DEADLINE, "the newer change is published", || async { scene.outbox().await == 1 }).await;
    late.resume();
    late.wait_for_log("before-outbox-delete reached").await;
    late.kill();
    late.wait(DEADLINE).await;
    let published = revisions(&scene).await;
    assert!(published.len() == 3 && published[1] < published[0] && published[2] == published[0], "{published:?}");
    scene.expire_leases().await;
    scene.settled().await;
    scene.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_publish_the_outbox_rows_of_a_dead_one() {
    let scene = Scene::new(2).await;
    scene.add_users(100).await;
    scene.produce(&history(100, 600, 61)).await;
    let mut dead = scene.serve_with(&[("FAILPOINTS", &failpoint("before-publish", "pause"))]);
    dead.wait_for_log("before-publish reached").await;
    eventually(DEADLINE, "several rows are in the outbox", || async { scene.outbox().await >= 2 }).await;
    dead.kill();
    dead.wait(DEADLINE).await;
    assert!(!table(scene.database.pool()).await.is_empty());
    let _survivors = [scene.serve(), scene.serve()];
    scene.expire_leases().await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}
