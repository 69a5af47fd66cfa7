//! `segmenter job`: limits, pause, resume and cancel.

use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::{begin, changes, column, items, member, run, run_json};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{eventually, http_get};

async fn scene_with_history(events: u64, seed: u64) -> Scene {
    let scene = Scene::new(2).await;
    scene.add_users(50).await;
    scene.produce(&history(50, events, seed)).await;
    scene
}

fn start<'a>(id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let start = ["replay", "--from", "earliest", "--execute", "--id", id];
    start.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn a_throttle_keeps_the_rate_within_a_tenth() {
    let scene = scene_with_history(4000, 21).await;
    let id = Uuid::new_v4();
    let job = begin(&scene, &start(&id.to_string(), &["--rate", "500"]));
    eventually(DEADLINE, "the first batches", || async { items(&scene, id).await >= 200 }).await;
    let (began, first) = (Instant::now(), items(&scene, id).await);
    eventually(DEADLINE, "the last batches", || async { items(&scene, id).await >= 3600 }).await;
    let rate = (items(&scene, id).await - first) as f64 / began.elapsed().as_secs_f64();
    assert!((450.0..=550.0).contains(&rate), "{rate} a second");
    assert_eq!(job.finish(DEADLINE).await.code, Some(0));
}

#[tokio::test]
async fn a_job_waits_while_the_live_lag_is_above_its_limit_and_reports_that() {
    let scene = scene_with_history(600, 22).await;
    let id = Uuid::new_v4();
    // The live group has not read the topics yet.
    let job = begin(&scene, &start(&id.to_string(), &["--max-live-lag", "10"]));
    eventually(DEADLINE, "the limit is reported", || async {
        column(&scene, id, "report->'held'->'limit'->'liveLag'->>'limit'").await.as_deref() == Some("10")
    })
    .await;
    assert!(items(&scene, id).await < 600, "it waits");
    let finished = run(&scene, &["job", "status", &id.to_string()]).await;
    assert!(finished.stdout.contains("held") && finished.stdout.contains("live lag"), "{}", finished.stdout);

    let mut live = scene.serve();
    let finished = job.finish(DEADLINE).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    scene.settled().await;
    scene.assert_right().await;
    live.terminate();
    live.wait(DEADLINE).await;
}

#[tokio::test]
async fn a_running_job_can_be_paused_resumed_and_given_other_limits() {
    let scene = scene_with_history(1500, 23).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let job = begin(&scene, &start(&name, &["--rate", "100"]));
    eventually(DEADLINE, "the first batches", || async { items(&scene, id).await > 0 }).await;
    assert_eq!(run(&scene, &["job", "pause", &name]).await.code, Some(0));
    eventually(DEADLINE, "the job is paused", || async {
        column(&scene, id, "report->>'held'").await.as_deref() == Some("paused")
    })
    .await;
    let paused_at = items(&scene, id).await;
    let (_, lines) = run_json(&scene, &["job", "list"]).await;
    assert_eq!((&lines[0][0]["state"], &lines[0][0]["kind"]), (&"paused".into(), &"replay".into()));

    let finished = run(&scene, &["job", "throttle", &name]).await;
    assert!(finished.stdout.contains("none"), "{}", finished.stdout);
    assert_eq!(items(&scene, id).await, paused_at, "other limits do not resume a paused job");
    let finished = run(&scene, &["job", "resume", &name]).await;
    assert!(finished.stdout.contains("continues in"), "{}", finished.stdout);
    let began = Instant::now();
    let finished = job.finish(DEADLINE).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert!(began.elapsed() < Duration::from_secs(10), "the rate is no longer limited");
    scene.assert_right().await;
}

#[tokio::test]
async fn a_cancelled_job_publishes_its_changes_and_ends() {
    let scene = scene_with_history(1500, 24).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let job = begin(&scene, &start(&name, &["--rate", "200"]));
    eventually(DEADLINE, "the first batches", || async { items(&scene, id).await > 100 }).await;
    assert_eq!(run(&scene, &["job", "cancel", &name]).await.code, Some(0));
    let finished = job.finish(DEADLINE).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert!(finished.stdout.contains("cancelled"), "{}", finished.stdout);
    assert!(items(&scene, id).await < 1500);
    assert!(!changes(&scene).await.is_empty());
    scene.assert_changes_form_chains().await;
    let (code, lines) = run_json(&scene, &["job", "status", &name]).await;
    assert_eq!((code, &lines[0]["state"]), (Some(0), &"cancelled".into()));
    for act in ["pause", "resume", "cancel"] {
        let finished = run(&scene, &["job", act, &name]).await;
        assert_eq!(finished.code, Some(3), "{act}: it has ended");
    }
    let unknown = Uuid::new_v4().to_string();
    assert_eq!(run(&scene, &["job", "status", &unknown]).await.code, Some(3));
}

#[tokio::test]
async fn a_job_that_is_started_again_under_its_id_does_not_start_over() {
    let scene = scene_with_history(100, 25).await;
    let id = Uuid::new_v4().to_string();
    assert_eq!(run(&scene, &start(&id, &[])).await.code, Some(0));
    let (code, lines) = run_json(&scene, &start(&id, &[])).await;
    assert_eq!(code, Some(0));
    assert_eq!(member(&lines, "end")["state"], "done");
    assert!(lines.iter().all(|line| line.get("plan").is_none_or(Value::is_null)), "nothing was planned again");
}

#[tokio::test]
async fn an_id_is_refused_with_other_arguments() {
    let scene = Scene::new(1).await;
    scene.add_profiles(5).await;
    let id = Uuid::new_v4().to_string();
    let with_id =
        |command: &[&'static str]| -> Vec<&str> { command.iter().copied().chain(["--execute", "--id", &id]).collect() };
    assert_eq!(run(&scene, &with_id(&["backfill", "--all"])).await.code, Some(0));
    assert_eq!(run(&scene, &with_id(&["backfill", "--all"])).await.code, Some(0));
    for other in [&["backfill"][..], &["backfill", "--all", "--emit", "none"], &["recompute", "--all"]] {
        let finished = run(&scene, &with_id(other)).await;
        assert_eq!(finished.code, Some(3), "{other:?} {}", finished.log);
        assert!(finished.log.contains("a backfill with other arguments"), "{}", finished.log);
    }
}

#[tokio::test]
async fn a_dry_run_keeps_to_the_limits_too() {
    let scene = Scene::new(1).await;
    scene.add_profiles(20).await;
    scene.produce(&history(20, 200, 28)).await;
    let dry_run = begin(&scene, &["backfill", "--all", "--max-live-lag", "10", "--json"]);
    let mut live = scene.serve();
    let finished = dry_run.finish(DEADLINE).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert!(scene.is_read().await, "it waits for the live group");
    live.terminate();
    live.wait(DEADLINE).await;
}

#[tokio::test]
async fn a_job_shows_in_the_metrics_of_the_live_service() {
    let scene = scene_with_history(600, 26).await;
    let live = scene.serve();
    let address = live.http_address().await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let mut job = begin(&scene, &start(&name, &["--rate", "50"]));
    eventually(DEADLINE, "the first batches", || async { items(&scene, id).await > 0 }).await;
    assert_eq!(run(&scene, &["job", "pause", &name]).await.code, Some(0));
    let shows = |line: &'static str| async move {
        let metrics = http_get(address, "/metrics").await;
        metrics.body.lines().any(|shown| shown == line)
    };
    eventually(DEADLINE, "it is shown as paused", || shows(r#"segmenter_jobs{kind="replay",state="paused"} 1"#)).await;
    assert!(shows(r#"segmenter_jobs_held{kind="replay"} 1"#).await);
    assert!(!shows(r#"segmenter_job_progress_ratio{kind="replay"} 1"#).await);
    job.kill();
    job.wait(DEADLINE).await;
    assert_eq!(run(&scene, &["job", "throttle", &name]).await.code, Some(0));
    assert_eq!(run(&scene, &["job", "resume", "--take-over", &name]).await.code, Some(0));
    eventually(DEADLINE, "the paused job is no longer shown", || {
        shows(r#"segmenter_jobs{kind="replay",state="paused"} 0"#)
    })
    .await;
}
