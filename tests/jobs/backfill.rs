//! `segmenter backfill`: users who onboarded before Kafka events existed.

use serde_json::Value;
use uuid::Uuid;

use super::{begin, changes, items, member, run, run_json, serve_until_settled, versions};
use crate::faults::failpoint;
use crate::scene::{DEADLINE, Numbers, Scene, record, update_event};
use crate::support::{eventually, segmenter};
use crate::world::table;

/// Columns of a valid profile, and of one with an invalid budget.
const SOUND: &str =
    r#""globalBudgetRange" = '{"min": 300, "max": 900, "currency": "EUR"}', "travelTypes" = '{CULTURAL}'"#;
pub const BROKEN: &str = r#""globalBudgetRange" = '{"min": 900, "max": 300}'"#;

/// Adds a completed profile to the platform's table.
pub async fn add_profile(scene: &Scene, user: &str, columns: &str) {
    scene
        .database
        .run(format!(
            r#"insert into travel_onboarding_profiles
                   (id, "userId", "isCompleted", "updatedAt", "travelGroupTypes", "activityTypes", "comfortLevel", "accommodationLevel")
               values ('p-{user}', '{user}', true, '2026-02-01 12:00:00', '{{COUPLE}}', '{{museums}}', 'BASIC', 'LUXURY');
               update travel_onboarding_profiles set {columns} where "userId" = '{user}'"#
        ))
        .await;
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["backfill"].iter().chain(more).copied().collect()
}

async fn primary(scene: &Scene, user: &str) -> Option<String> {
    table(scene.database.pool()).await.remove(user).and_then(|row| row.primary_segment)
}

#[tokio::test]
async fn profiles_of_users_without_segments_are_folded_and_published_once() {
    let scene = Scene::new(1).await;
    scene.add_users(6).await;
    for user in 0..4 {
        add_profile(&scene, &format!("user-{user}"), SOUND).await;
    }
    add_profile(&scene, "user-4", r#""isCompleted" = false"#).await;
    scene
        .database
        .run(r#"insert into user_vectors (id, "userId", vector, "updatedAt") values ('v', 'user-5', '[0]', now())"#)
        .await;
    let before = versions(&scene).await;
    let (code, lines) = run_json(&scene, &["backfill"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(member(&lines, "dryRun")["usersChanged"], 4);
    assert_eq!(versions(&scene).await, before, "a dry run writes nothing");

    let id = Uuid::new_v4().to_string();
    let (code, lines) = run_json(&scene, &with(&["--execute", "--id", &id])).await;
    assert_eq!(code, Some(0));
    let end = member(&lines, "end");
    assert_eq!((&end["counts"]["applied"], &end["counts"]["skipped"]), (&4.into(), &1.into()));
    assert_eq!(end["successRate"], 100.0);
    assert_eq!(end["backfill"]["vectorsWithoutProfile"], 1);
    let shares = end["backfill"]["distribution"]["shares"].as_array().unwrap();
    assert_eq!(shares.iter().map(|share| share["users"].as_i64().unwrap()).sum::<i64>(), 4);
    let published = changes(&scene).await;
    assert_eq!(published.len(), 4);
    for record in &published {
        let change = record.json();
        assert_eq!(change["payload"]["trigger"], "BACKFILL");
        assert_eq!(change["payload"]["replayId"], id.as_str());
        assert_eq!(change["payload"]["occurredAt"], "2026-02-01T12:00:00.000Z", "the profile's own time");
        assert_eq!(change["causationId"], Value::Null);
    }

    let before = versions(&scene).await;
    let (code, lines) = run_json(&scene, &with(&["--all", "--execute"])).await;
    assert_eq!((code, &member(&lines, "end")["counts"]["unchanged"]), (Some(0), &4.into()));
    assert_eq!(versions(&scene).await, before, "stored profiles write nothing");
}

#[tokio::test]
async fn only_the_selected_users_are_backfilled() {
    let scene = Scene::new(1).await;
    scene.add_users(4).await;
    for user in 0..4 {
        add_profile(&scene, &format!("user-{user}"), SOUND).await;
    }
    scene
        .database
        .run(
            r#"insert into user_vectors (id, "userId", vector, "updatedAt") values ('v1', 'user-1', '[0]', now());
                insert into user_vectors (id, "userId", vector, "updatedAt", segments, "primarySegment")
                    values ('v2', 'user-2', '[0]', now(), '[]', 'SOMETHING')"#,
        )
        .await;
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("users");
    std::fs::write(&list, "user-3\nuser-0\nstranger\n").unwrap();
    let list = list.to_str().unwrap();
    for (which, applied) in [(&[][..], 3), (&["--existing-only"], 2), (&["--all"], 4), (&["--users-file", list], 2)] {
        let (_, lines) = run_json(&scene, &with(which)).await;
        assert_eq!(member(&lines, "dryRun")["counts"]["applied"], applied, "{which:?}");
    }
    assert_eq!(run(&scene, &with(&["--all", "--existing-only"])).await.code, Some(2), "the options exclude each other");
}

#[tokio::test]
async fn a_profile_with_a_bad_value_is_counted_and_listed_and_blocks_no_other() {
    let scene = Scene::new(1).await;
    scene.add_users(3).await;
    add_profile(&scene, "user-0", SOUND).await;
    add_profile(&scene, "user-1", BROKEN).await;
    add_profile(&scene, "user-2", r#""childrenAges" = '{876543219}'"#).await;
    let finished = run(&scene, &with(&["--execute"])).await;
    assert_eq!(finished.code, Some(4), "{}", finished.log);
    for expected in ["user-1 ", "globalRange", "user-2 ", "childrenAges", "33.33"] {
        assert!(finished.stdout.contains(expected), "{expected} in {}", finished.stdout);
    }
    assert!(!finished.stdout.contains("876543219") && !finished.log.contains("876543219"), "values are not shown");
    assert!(primary(&scene, "user-0").await.is_some());
    assert!(scene.dead_letters().await.is_empty());
}

#[tokio::test]
async fn a_backfill_before_or_after_the_live_events_gives_the_same_rows() {
    let mut ends = Vec::new();
    for backfill_first in [true, false] {
        let scene = Scene::new(1).await;
        scene.add_users(5).await;
        for user in 0..5 {
            add_profile(&scene, &format!("user-{user}"), SOUND).await;
        }
        let backfill = || async {
            let finished = run(&scene, &with(&["--all", "--execute"])).await;
            assert_eq!(finished.code, Some(0), "{}", finished.log);
        };
        if backfill_first {
            backfill().await;
        }
        let mut numbers = Numbers(71);
        for user in 0..5 {
            let user = format!("user-{user}");
            scene.kafka.produce(&scene.updates, record(&user, &update_event(&user, 7, &mut numbers))).await;
        }
        serve_until_settled(&scene).await;
        if !backfill_first {
            backfill().await;
        }
        ends.push(table(scene.database.pool()).await);
        scene.assert_changes_form_chains().await;
    }
    assert_eq!(ends[0].len(), 5);
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn a_killed_backfill_is_resumed_and_counts_each_profile_once() {
    let scene = Scene::new(1).await;
    scene.add_users(300).await;
    scene
        .database
        .run(
            r#"insert into travel_onboarding_profiles (id, "userId", "isCompleted", "updatedAt", "travelTypes")
                select 'p-' || id, id, true, '2026-02-01', '{CULTURAL}' from users"#,
        )
        .await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let mut job = begin(&scene, &with(&["--execute", "--rate", "100", "--id", &name]));
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 0 }).await;
    job.kill();
    job.wait(DEADLINE).await;
    assert!(items(&scene, id).await < 300);
    run(&scene, &["job", "throttle", &name]).await;
    scene.expire_leases().await;
    let finished = run(&scene, &["job", "resume", "--take-over", &name]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert_eq!(items(&scene, id).await, 300);
    assert_eq!(table(scene.database.pool()).await.len(), 300);
}

#[tokio::test]
async fn a_terminal_shows_a_bar_with_rate_and_time_left() {
    let scene = Scene::new(1).await;
    scene.add_users(600).await;
    scene
        .database
        .run(
            r#"insert into travel_onboarding_profiles (id, "userId", "isCompleted", "updatedAt", "travelTypes")
                select 'p-' || id, id, true, '2026-02-01', '{CULTURAL}' from users"#,
        )
        .await;
    let id = Uuid::new_v4();
    let binary = env!("CARGO_BIN_EXE_segmenter");
    let command = format!("{binary} backfill --execute --rate 200 --id {id}");
    let mut environment = scene.environment();
    environment.extend([("COMMAND", command.as_str()), ("TERM", "xterm")]);
    // Python's pty module is the terminal.
    let script =
        "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(['sh', '-c', os.environ['COMMAND']])))";
    let shown = tokio::task::spawn_blocking({
        let environment: Vec<(String, String)> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        move || {
            std::process::Command::new("python3")
                .args(["-c", script])
                .env_clear()
                .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
                .envs(environment)
                .output()
                .unwrap()
        }
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(shown.status.code(), Some(0), "{text}");
    for expected in ["backfill ", " %", "/s  waits: its rate", "done"] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    let plain = segmenter(&["job", "status", &id.to_string()], &scene.environment()).finish(DEADLINE).await;
    for row in ["passed 600", "expected 600"] {
        let is_it = |line: &str| line.split_whitespace().eq(row.split_whitespace());
        assert!(plain.stdout.lines().any(is_it), "{row} in {}", plain.stdout);
    }
}

#[tokio::test]
async fn a_backfill_publishes_each_user_at_once() {
    let scene = Scene::new(1).await;
    scene.add_profiles(300).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let mut job = begin(&scene, &with(&["--all", "--execute", "--rate", "100", "--id", &name]));
    eventually(DEADLINE, "some changes", || async { !changes(&scene).await.is_empty() }).await;
    assert!(items(&scene, id).await < 300, "it still works");
    assert_eq!(job.wait(DEADLINE).await.code(), Some(0), "{:?}", job.log());
    let published = changes(&scene).await;
    assert_eq!(published.len(), 300, "each user once");
    for record in published {
        let change = record.json();
        assert_eq!(
            (&change["payload"]["trigger"], &change["payload"]["replayId"]),
            (&"BACKFILL".into(), &name.as_str().into())
        );
        assert_eq!(change["correlationId"], name.as_str());
    }
    scene.assert_changes_form_chains().await;
}

#[tokio::test]
async fn a_job_is_done_once_the_changes_that_killed_owners_left_are_published_without_a_live_service() {
    let scene = Scene::new(1).await;
    scene.add_profiles(2_000).await;
    let name = Uuid::new_v4().to_string();
    for point in ["after-commit", "before-publish", "before-outbox-delete"] {
        let mut environment = scene.environment();
        let failpoints = failpoint(point, "pause");
        environment.extend([("FAILPOINTS", failpoints.as_str()), ("SEGMENTER_OUTBOX_LEASE", "15s")]);
        let mut job = segmenter(&with(&["--all", "--execute", "--id", &name]), &environment);
        job.wait_for_log(&format!("{point} reached")).await;
        job.kill();
        job.wait(DEADLINE).await;
        scene.database.run("update segmenter.jobs set leased_until = 'epoch'").await;
    }
    let mut environment = scene.environment();
    environment.push(("SEGMENTER_OUTBOX_LEASE", "15s"));
    let finished = segmenter(&["job", "resume", &name], &environment).finish(DEADLINE).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert_eq!(scene.outbox().await, 0);
    scene.assert_changes_form_chains().await;
    assert_eq!(table(scene.database.pool()).await.len(), 2_000);
}

#[tokio::test]
async fn a_report_that_cannot_be_read_does_not_change_the_end_of_a_job() {
    let scene = Scene::new(1).await;
    scene.add_profiles(5).await;
    let name = Uuid::new_v4().to_string();
    let start = with(&["--all", "--execute", "--id", &name]);
    assert_eq!(run(&scene, &start).await.code, Some(0));
    scene.database.run("alter table travel_onboarding_profiles rename to elsewhere").await;
    let (code, lines) = run_json(&scene, &start).await;
    let end = member(&lines, "end");
    assert_eq!(
        (code, &end["state"], &end["backfill"]["vectorsWithoutProfile"]),
        (Some(0), &"done".into(), &Value::Null)
    );
}
