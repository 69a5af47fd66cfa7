//! Publishers that are late: the newest revision is the last record of its user, whoever speaks when.

use serde_json::Value;

use crate::faults::failpoint;
use crate::scene::{DEADLINE, Numbers, Scene, history, onboarding_event, record};
use crate::support::{Segmenter, eventually};
use crate::world::table;

/// An onboarding at that second, of a group and a budget so that each gives another ranking.
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

/// A process that has committed an older change and is frozen before it says it, and the failpoints it goes on with.
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
    eventually(DEADLINE, "the late one has spoken", || async { revisions(&scene).await.len() >= 4 }).await;
    scene.settled().await;
    let said = revisions(&scene).await;
    assert!(said.len() == 4 && said[0] < said[1], "{said:?}");
    assert_eq!(said[..2], said[2..], "the older one is published late, and the newer one again");
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
    eventually(DEADLINE, "the newer one is published", || async { scene.outbox().await == 1 }).await;
    late.resume();
    late.wait_for_log("before-outbox-delete reached").await;
    late.kill();
    late.wait(DEADLINE).await;
    let said = revisions(&scene).await;
    assert!(said.len() == 3 && said[1] < said[0] && said[2] == said[0], "{said:?}");
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
    eventually(DEADLINE, "several rows are left", || async { scene.outbox().await >= 2 }).await;
    dead.kill();
    dead.wait(DEADLINE).await;
    assert!(!table(scene.database.pool()).await.is_empty());
    let _heirs = [scene.serve(), scene.serve()];
    scene.expire_leases().await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}
