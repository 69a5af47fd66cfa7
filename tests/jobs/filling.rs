//! Corner cases of `segmenter backfill`: older and newer events, bad values of every kind, kills, erasures.

use uuid::Uuid;

use super::{begin, items, member, run, run_json, serve_until_settled, versions};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::eventually;
use crate::world::table;

fn backfill<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["backfill"].iter().chain(more).copied().collect()
}

#[tokio::test]
async fn backfill_then_live_and_live_then_backfill_give_the_same_rows() {
    let (first, second) = (Scene::new(2).await, Scene::new(2).await);
    let history = history(40, 300, 61);
    for scene in [&first, &second] {
        // Ten users have only a profile; the others also have older and newer events.
        scene.add_profiles(50).await;
        scene.produce(&history).await;
    }
    let fill = backfill(&["--all", "--execute"]);
    let finished = run(&first, &fill).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    serve_until_settled(&first).await;
    serve_until_settled(&second).await;
    let finished = run(&second, &fill).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);

    let (rows, others) = (table(first.database.pool()).await, table(second.database.pool()).await);
    assert_eq!(rows.len(), 50);
    assert_eq!(rows, others);
    first.assert_changes_form_chains().await;
    second.assert_changes_form_chains().await;
}

#[tokio::test]
async fn only_the_selected_profiles_are_folded_and_a_dry_run_writes_nothing() {
    let scene = Scene::new(1).await;
    scene.add_profiles(5).await;
    scene.database.add_users(["stranger"]).await;
    scene
        .database
        .run(
            r#"insert into user_vectors (id, "userId", vector, segments, "primarySegment", "lastSegmentUpdate", "updatedAt") values
                   ('1', 'user-1', '[0]', null, null, null, now()),
                   ('2', 'user-2', '[0]', '[{"segment":"THEIRS","score":0.5}]', null, now(), now()),
                   ('3', 'user-3', '[0]', '[{"segment":"THEIRS","score":0.5}]', 'THEIRS', now(), now()),
                   ('n', 'stranger', '[0]', null, null, null, now());
               update travel_onboarding_profiles set "isCompleted" = false where "userId" = 'user-4'"#,
        )
        .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "user-0\nuser-3\nstranger\n").unwrap();
    let before = versions(&scene).await;
    // Applied, skipped; of the skipped: not completed, without a profile.
    for (which, expected) in [
        (vec![], [3, 2, 1, 0]),
        (vec!["--existing-only"], [3, 2, 0, 0]),
        (vec!["--all"], [4, 1, 1, 0]),
        (vec!["--users-file", file.path().to_str().unwrap()], [2, 1, 0, 1]),
    ] {
        let (code, lines) = run_json(&scene, &backfill(&which)).await;
        let counts = &member(&lines, "dryRun")["counts"];
        let found = ["applied", "skipped", "notCompleted", "withoutProfile"].map(|name| counts[name].as_i64().unwrap());
        assert_eq!((code, found), (Some(0), expected), "{which:?}");
    }
    assert_eq!(versions(&scene).await, before);

    let (code, lines) = run_json(&scene, &backfill(&["--execute"])).await;
    let end = member(&lines, "end");
    assert_eq!((code, &end["counts"]["applied"]), (Some(0), &3.into()));
    assert_eq!(end["backfill"]["vectorsWithoutProfile"], 1);
    let shares = end["backfill"]["distribution"]["shares"].as_array().unwrap();
    assert!(shares.iter().any(|share| share["primarySegment"] == "THEIRS" && share["users"] == 1), "{shares:?}");
    let rows = table(scene.database.pool()).await;
    assert!(rows["user-3"].primary_segment.as_deref() == Some("THEIRS"), "a row with segments stays unchanged");
    assert!(["user-0", "user-1", "user-2"].iter().all(|user| rows[*user].last_update == "2026-03-01T10:30:00.000Z"));
    let of_a_list = backfill(&["--users-file", file.path().to_str().unwrap(), "--execute"]);
    let (code, lines) = run_json(&scene, &of_a_list).await;
    let counts = &member(&lines, "end")["counts"];
    assert_eq!((code, &counts["applied"], &counts["unchanged"]), (Some(0), &1.into(), &1.into()));
}

#[tokio::test]
async fn a_profile_with_a_bad_value_is_counted_and_listed_by_field_and_the_others_are_folded() {
    let scene = Scene::new(1).await;
    scene.add_profiles(10).await;
    scene
        .database
        .run(
            r#"update travel_onboarding_profiles set "globalBudgetRange" = '{"min": 777, "max": 1}' where "userId" = 'user-1';
               update travel_onboarding_profiles set "globalBudgetRange" = '{"min": 1e400, "max": 1}' where "userId" = 'user-2';
               update travel_onboarding_profiles set "childrenAges" = '{777}' where "userId" = 'user-3';
               update travel_onboarding_profiles set "preferredDestinations" = '["777"]' where "userId" = 'user-4';
               update travel_onboarding_profiles set "travelPurposes" = array['777', null] where "userId" = 'user-5';
               update travel_onboarding_profiles set "updatedAt" = 'infinity' where "userId" = 'user-6';
               update travel_onboarding_profiles set "updatedAt" = '2999-01-01' where "userId" = 'user-7';
               update travel_onboarding_profiles set "globalBudgetRange" = null, "travelTypes" = null, "travelPurposes" = null,
                   "accommodationTypes" = null, "accommodationLevel" = null, "preferredAirlines" = null,
                   "activityTypes" = null, "interestCategories" = null, "activityLevel" = null, "travelGroupTypes" = null,
                   "childrenAges" = null, "climatePreferences" = null, "riskTolerance" = null,
                   "preferredDestinations" = 'null' where "userId" = 'user-8';
               update travel_onboarding_profiles set "activityTypes" = '{{777, 7}, {7, 777}}' where "userId" = 'user-9'"#,
        )
        .await;
    let (code, lines) = run_json(&scene, &backfill(&[])).await;
    let dry = member(&lines, "dryRun");
    assert_eq!((code, dry["examples"].as_array().unwrap().len()), (Some(4), 8));
    assert_eq!(dry["next"], "segmenter backfill --json --execute");
    let (_, lines) = run_json(&scene, &backfill(&["--limit", "2"])).await;
    assert_eq!(member(&lines, "dryRun")["examples"].as_array().unwrap().len(), 2);
    let id = Uuid::new_v4().to_string();
    let (code, lines) = run_json(&scene, &backfill(&["--execute", "--id", &id])).await;
    let end = member(&lines, "end");
    assert_eq!((code, &end["counts"]["applied"], &end["counts"]["rejected"]), (Some(4), &2.into(), &8.into()));
    assert_eq!(end["successRate"].as_f64(), Some(20.0));
    assert_eq!(
        (&end["findings"][0]["count"], &end["findings"][0]["command"], end.get("next")),
        (&8.into(), &"segmenter backfill --execute".into(), None)
    );
    let named: Vec<(&str, &str)> = end["examples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| (failure["subject"].as_str().unwrap(), failure["detail"].as_str().unwrap()))
        .collect();
    let fields = [
        (1, "globalRange"),
        (2, "number"),
        (3, "childrenAges"),
        (4, "destinations"),
        (5, "purposes"),
        (6, "updatedAt"),
        (7, "updatedAt"),
        (9, "activity_types"),
    ];
    assert_eq!(named.len(), fields.len());
    for ((number, field), (user, why)) in fields.into_iter().zip(&named) {
        assert_eq!(*user, format!("user-{number}"));
        assert!(why.contains(field) && !why.contains("777"), "{user}: {why}");
    }
    let finished = run(&scene, &["job", "resume", &id]).await;
    assert_eq!(finished.code, Some(3), "it has ended: {}", finished.log);
    let finished = run(&scene, &backfill(&["--execute", "--id", &id])).await;
    assert!(finished.code == Some(4) && finished.stdout.contains("user-7   updatedAt"), "{finished:?}");
    assert_eq!(table(scene.database.pool()).await.len(), 2);
}

#[tokio::test]
async fn a_backfill_killed_in_the_middle_is_resumed_and_loses_and_repeats_nothing() {
    let (scene, whole) = (Scene::new(1).await, Scene::new(1).await);
    for scene in [&scene, &whole] {
        scene.add_profiles(600).await;
        scene
            .database
            .run(r#"update travel_onboarding_profiles set "childrenAges" = '{99}' where "userId" like 'user-1_'"#)
            .await;
    }
    let id = Uuid::new_v4();
    let name = id.to_string();
    let mut passed = 0;
    for _ in 0..3 {
        let mut job = begin(&scene, &backfill(&["--all", "--execute", "--rate", "150", "--id", &name]));
        eventually(DEADLINE, "some progress", || async { items(&scene, id).await > passed }).await;
        job.kill();
        job.wait(DEADLINE).await;
        passed = items(&scene, id).await;
        scene.database.run("update segmenter.jobs set leased_until = 'epoch'").await;
    }
    assert!(passed < 600, "items are left for the last process");
    let (code, lines) = run_json(&scene, &["job", "resume", &name]).await;
    let end = member(&lines, "end");
    assert_eq!((code, &end["counts"]["items"], &end["counts"]["rejected"]), (Some(4), &600.into(), &10.into()));
    assert_eq!(end["examples"].as_array().unwrap().len(), 10, "the failures of killed processes are listed too");
    assert_eq!(run(&whole, &backfill(&["--all", "--execute"])).await.code, Some(4));
    assert_eq!(table(scene.database.pool()).await, table(whole.database.pool()).await);
    scene.expire_leases().await;
    let mut live = scene.serve();
    eventually(DEADLINE, "all is published", || async { scene.outbox().await == 0 }).await;
    live.terminate();
    live.wait(DEADLINE).await;
    scene.assert_changes_form_chains().await;
}

#[tokio::test]
async fn a_user_that_another_session_locks_waits_alone_and_the_checkpoint_with_it() {
    let scene = Scene::new(1).await;
    scene.add_profiles(100).await;
    let mut locking = scene.database.pool().begin().await.unwrap();
    sqlx::query("select from users where id = 'user-7' for update").execute(&mut *locking).await.unwrap();
    let id = Uuid::new_v4();
    let mut job = begin(&scene, &backfill(&["--all", "--execute", "--id", &id.to_string()]));
    let others = async || table(scene.database.pool()).await.len() == 99;
    eventually(DEADLINE, "the rows of the other users", others).await;
    job.wait_for_log("wait for another session that locks their rows").await;
    assert_eq!(items(&scene, id).await, 0, "the checkpoint is in the last transaction of the batch");
    locking.commit().await.unwrap();
    assert_eq!(job.wait(DEADLINE).await.code(), Some(0));
    assert_eq!((items(&scene, id).await, table(scene.database.pool()).await.len()), (100, 100));
}

#[tokio::test]
async fn erased_users_stay_erased_unless_their_profile_is_newer() {
    let scene = Scene::new(1).await;
    scene.add_profiles(2).await;
    let finished = run(&scene, &["user", "erase", "user-0", "--execute"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    let (code, lines) = run_json(&scene, &backfill(&["--all", "--execute"])).await;
    let counts = &member(&lines, "end")["counts"];
    assert_eq!((code, &counts["applied"], &counts["stale"]), (Some(0), &1.into(), &1.into()));
    let rows = table(scene.database.pool()).await;
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["user-1"]);
}

#[tokio::test]
async fn a_backfill_without_the_platforms_table_is_refused() {
    let scene = Scene::new(1).await;
    scene.database.run("drop table travel_onboarding_profiles").await;
    let finished = run(&scene, &backfill(&[])).await;
    assert!(finished.code == Some(3) && finished.log.contains("travel_onboarding_profiles"), "{finished:?}");
}
