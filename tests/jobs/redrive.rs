//! `dlq redrive --execute` is a job: it is listed and controlled, and another process resumes it.

use serde_json::json;
use uuid::Uuid;

use super::{begin, column, items, member, run, run_json, serve_until_settled};
use crate::dlq::{dead_letter, onboarding};
use crate::faults::failpoint;
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Record, eventually, segmenter};
use crate::world::table;

fn start<'a>(id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let start = ["dlq", "redrive", "--all", "--execute", "--id", id];
    start.iter().chain(more).copied().collect()
}

/// A scene with as many users, and a dead letter of each.
async fn scene_with_dead_letters(count: u64) -> Scene {
    let scene = Scene::new(1).await;
    scene.add_users(count).await;
    let of_user = |id: u64| {
        let offset = i64::try_from(id).unwrap();
        dead_letter(&scene.onboarding, offset, onboarding(&format!("user-{id}"), id), "unknown_user", 1)
    };
    scene.kafka.produce_all(&scene.dead, (0..count).map(of_user).collect::<Vec<_>>()).await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_killed_at_the_worst_moments_redrives_each_dead_letter_and_loses_no_change() {
    let scene = Scene::new(2).await;
    scene.add_users(4).await;
    scene.produce(&history(10, 120, 41)).await;
    scene.kafka.produce(&scene.onboarding, Record::new("user-1", "{")).await;
    serve_until_settled(&scene).await;
    let dead_letters = i64::try_from(scene.dead_letters().await.len()).unwrap();
    let late: Vec<String> = (4..10).map(|number| format!("user-{number}")).collect();
    scene.database.add_users(late.iter().map(String::as_str)).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    // A batch has ten dead letters.
    let first = start(&name, &["--rate", "50"]);
    let resume = ["job", "resume", &name];
    let points = ["after-commit", "after-dead-letters", "before-publish"];
    for (point, arguments) in points.into_iter().zip([&first[..], &resume, &resume]) {
        let mut environment = scene.environment();
        let failpoints = failpoint(point, "pause");
        environment.extend([("FAILPOINTS", failpoints.as_str()), ("SEGMENTER_OUTBOX_LEASE", "15s")]);
        let mut job = segmenter(arguments, &environment);
        job.wait_for_log(&format!("{point} reached")).await;
        job.kill();
        job.wait(DEADLINE).await;
        assert_eq!(column(&scene, id, "ended_at").await, None, "{point}: the rest is left for the last process");
        scene.database.run("update segmenter.jobs set leased_until = 'epoch'").await;
        scene.expire_leases().await;
    }
    let finished = run(&scene, &resume).await;
    assert_eq!(finished.code, Some(4), "one is still rejected: {}", finished.log);
    assert_eq!(items(&scene, id).await, dead_letters, "each dead letter counts once");
    assert_eq!(scene.outbox().await, 0);
    scene.assert_right().await;
    let written = scene.dead_letters().await.split_off(usize::try_from(dead_letters).unwrap());
    let attempts: Vec<Option<&str>> = written.iter().map(|record| record.header("segmenter.attempts")).collect();
    assert!((1..=points.len() + 1).contains(&attempts.len()), "at most one for each owner: {attempts:?}");
    assert!(attempts.iter().all(|attempts| *attempts == Some("2")), "none was read by this redrive: {attempts:?}");
}

#[tokio::test]
async fn a_running_redrive_is_listed_and_can_be_paused_given_other_limits_and_cancelled() {
    let scene = scene_with_dead_letters(60).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let job = begin(&scene, &start(&name, &["--rate", "1"]));
    eventually(DEADLINE, "its rate holds it", || async {
        column(&scene, id, "report->>'held'").await.as_deref() == Some("rate")
    })
    .await;
    let (_, lines) = run_json(&scene, &["job", "list"]).await;
    assert_eq!((&lines[0][0]["state"], &lines[0][0]["kind"]), (&"running".into(), &"redrive".into()));

    assert_eq!(run(&scene, &["job", "pause", &name]).await.code, Some(0));
    eventually(DEADLINE, "it is paused", || async {
        column(&scene, id, "report->>'held'").await.as_deref() == Some("paused")
    })
    .await;
    let paused_at = items(&scene, id).await;
    assert!(paused_at < 60);
    assert_eq!(run(&scene, &["job", "throttle", &name, "--rate", "5"]).await.code, Some(0));
    assert_eq!(items(&scene, id).await, paused_at, "other limits do not resume a paused job");
    assert_eq!(run(&scene, &["job", "resume", &name]).await.code, Some(0));
    eventually(DEADLINE, "it goes on", || async { items(&scene, id).await > paused_at }).await;
    assert_eq!(run(&scene, &["job", "cancel", &name]).await.code, Some(0));
    let finished = job.finish(DEADLINE).await;
    assert!(finished.code == Some(0) && finished.stdout.contains("cancelled"), "{finished:?}");
    let redriven = items(&scene, id).await;
    assert!(redriven < 60);
    assert_eq!(i64::try_from(table(scene.database.pool()).await.len()).unwrap(), redriven);
    let (code, lines) = run_json(&scene, &["job", "status", &name]).await;
    let shown = (code, &lines[0]["state"], &lines[0]["counts"]["applied"]);
    assert_eq!(shown, (Some(0), &"cancelled".into(), &redriven.into()));
}

#[tokio::test]
async fn a_redrive_waits_while_the_live_lag_is_above_its_limit() {
    let scene = scene_with_dead_letters(10).await;
    scene.produce(&history(10, 100, 42)).await;
    let id = Uuid::new_v4();
    // The live group has not read the topics yet.
    let job = begin(&scene, &start(&id.to_string(), &["--max-live-lag", "10"]));
    eventually(DEADLINE, "the limit is reported", || async {
        column(&scene, id, "report->'held'->'limit'->'liveLag'->>'limit'").await.as_deref() == Some("10")
    })
    .await;
    assert_eq!(items(&scene, id).await, 0);
    let mut live = scene.serve();
    let finished = job.finish(DEADLINE).await;
    assert_eq!((finished.code, items(&scene, id).await), (Some(0), 10), "{}", finished.log);
    live.terminate();
    live.wait(DEADLINE).await;
}

#[tokio::test]
async fn the_limit_of_a_redrive_counts_the_dead_letters_of_all_of_its_owners() {
    let scene = scene_with_dead_letters(9).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let mut job = begin(&scene, &start(&name, &["--limit", "6", "--rate", "1"]));
    eventually(DEADLINE, "the first dead letters", || async { items(&scene, id).await >= 2 }).await;
    job.kill();
    job.wait(DEADLINE).await;
    assert_eq!(run(&scene, &["job", "throttle", &name]).await.code, Some(0));
    scene.expire_leases().await;
    let finished = run(&scene, &["job", "resume", "--take-over", &name]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert_eq!((items(&scene, id).await, table(scene.database.pool()).await.len()), (6, 6));
}

#[tokio::test]
async fn a_redrive_under_an_existing_id_is_resumed_only_with_its_arguments_and_its_row_names_no_user() {
    let scene = scene_with_dead_letters(3).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let one = |user: &'static str| -> Vec<&str> {
        vec!["dlq", "redrive", "--user", user, "--from", "2026-01-01T00:00:00Z", "--execute", "--id", &name]
    };
    let (code, lines) = run_json(&scene, &one("user-1")).await;
    assert_eq!((code, &member(&lines, "end")["counts"]["applied"]), (Some(0), &1.into()));
    let (code, lines) = run_json(&scene, &one("user-1")).await;
    let end = member(&lines, "end");
    assert_eq!((code, &end["state"], &end["counts"]["items"]), (Some(0), &"done".into(), &1.into()));
    for other in [one("user-2"), start(&name, &[]), vec!["replay", "--from", "earliest", "--execute", "--id", &name]] {
        let refused = run(&scene, &other).await;
        assert_eq!(refused.code, Some(3), "{other:?} {}", refused.log);
        assert!(refused.log.contains("a redrive with other arguments"), "{}", refused.log);
    }
    let spec = column(&scene, id, "spec").await.unwrap();
    assert!(!spec.contains("user-1"), "{spec}");
    let ranges = column(&scene, id, "spec->'what'->'redrive'->'ranges'").await.unwrap();
    let ranges: serde_json::Value = serde_json::from_str(&ranges).unwrap();
    assert_eq!(ranges, json!([{"topic": scene.dead, "partition": 0, "first": 0, "end": 3}]));
}
