//! Jobs whose process is killed, frozen, or stopped.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{begin, column, items, run};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Proxy, eventually, segmenter};

const START: [&str; 5] = ["replay", "--from", "earliest", "--execute", "--id"];

async fn scene_with_history(events: u64, seed: u64) -> (Scene, i64) {
    let scene = Scene::new(2).await;
    scene.add_users(50).await;
    let history = history(50, events, seed);
    scene.produce(&history).await;
    (scene, i64::try_from(history.len()).unwrap())
}

#[tokio::test]
async fn a_replay_killed_ten_times_loses_nothing_and_repeats_nothing() {
    let (scene, records) = scene_with_history(2400, 31).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let mut arguments: Vec<&str> = START.iter().chain(&[name.as_str(), "--rate", "300"]).copied().collect();
    let mut passed = 0;
    for _ in 0..10 {
        let mut job = begin(&scene, &arguments);
        eventually(DEADLINE, "some progress", || async { items(&scene, id).await > passed }).await;
        job.kill();
        job.wait(DEADLINE).await;
        passed = items(&scene, id).await;
        arguments = vec!["job", "resume", "--take-over", &name];
    }
    assert!(passed < records, "items are left for the last process");
    assert_eq!(run(&scene, &["job", "throttle", &name]).await.code, Some(0));
    scene.expire_leases().await;
    let finished = run(&scene, &arguments).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert_eq!(items(&scene, id).await, records, "each record counts once");
    scene.expire_leases().await;
    let mut live = scene.serve();
    scene.settled().await;
    scene.assert_right().await;
    live.terminate();
    live.wait(DEADLINE).await;
}

#[tokio::test]
async fn a_frozen_owner_that_wakes_after_its_job_was_taken_over_writes_nothing_more() {
    let (scene, records) = scene_with_history(900, 32).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let arguments: Vec<&str> = START.iter().chain(&[name.as_str(), "--rate", "100"]).copied().collect();
    let mut zombie = begin(&scene, &arguments);
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 0 }).await;
    zombie.pause();
    assert_eq!(run(&scene, &["job", "throttle", &name]).await.code, Some(0));
    scene.expire_leases().await;
    let finished = run(&scene, &["job", "resume", "--take-over", &name]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert_eq!(items(&scene, id).await, records);
    zombie.resume();
    assert_eq!(zombie.wait(DEADLINE).await.code(), Some(3), "{:?}", zombie.log());
    assert_eq!(items(&scene, id).await, records);
    assert_eq!(column(&scene, id, "phase").await.as_deref(), Some("done"));
    scene.assert_right().await;
}

#[tokio::test]
async fn a_job_with_a_live_owner_is_not_run_twice() {
    let (scene, _) = scene_with_history(900, 33).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let arguments: Vec<&str> = START.iter().chain(&[name.as_str(), "--rate", "20"]).copied().collect();
    let mut job = begin(&scene, &arguments);
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 0 }).await;
    let finished = run(&scene, &["job", "resume", &name]).await;
    assert_eq!(finished.code, Some(3), "{}", finished.log);
    assert!(finished.log.contains("owns the job"), "{}", finished.log);
    job.kill();
    job.wait(DEADLINE).await;
}

#[tokio::test]
async fn a_job_that_is_stopped_is_resumed_from_its_checkpoint() {
    let (scene, records) = scene_with_history(900, 34).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let arguments: Vec<&str> = START.iter().chain(&[name.as_str(), "--rate", "200"]).copied().collect();
    let mut job = begin(&scene, &arguments);
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 0 }).await;
    job.terminate();
    assert_eq!(job.wait(DEADLINE).await.code(), Some(130), "interrupted, but checkpointed");
    assert!(items(&scene, id).await < records);
    assert_eq!(run(&scene, &["job", "throttle", &name]).await.code, Some(0));
    // The lease was released: the next process needs neither a takeover nor a wait.
    let finished = run(&scene, &["job", "resume", &name]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert_eq!(items(&scene, id).await, records);
    scene.assert_right().await;
}

#[tokio::test]
async fn a_job_whose_database_is_silent_ends_within_the_grace_period_of_its_pod_and_is_resumed() {
    /// `terminationGracePeriodSeconds` of the pod of a replay.
    const GRACE: Duration = Duration::from_secs(45);
    let (scene, records) = scene_with_history(900, 35).await;
    let proxy = Proxy::to(scene.database.url());
    let id = Uuid::new_v4();
    let name = id.to_string();
    let arguments: Vec<&str> = START.iter().chain(&[name.as_str(), "--rate", "200"]).copied().collect();
    let mut environment = scene.environment();
    environment.push(("DATABASE_URL", proxy.url()));
    let mut job = segmenter(&arguments, &environment);
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 0 }).await;
    proxy.swallow(true);
    let begun = Instant::now();
    job.terminate();
    assert_eq!(job.wait(DEADLINE).await.code(), Some(130), "{:?}", job.log());
    assert!(begun.elapsed() < GRACE, "{:?}", begun.elapsed());
    proxy.swallow(false);
    assert_eq!(run(&scene, &["job", "throttle", &name]).await.code, Some(0));
    scene.expire_leases().await;
    let finished = run(&scene, &["job", "resume", "--take-over", &name]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert_eq!(items(&scene, id).await, records);
    scene.assert_right().await;
}
