//! `segmenter replay`: its effects on the database and the output topic.

use std::collections::BTreeMap;

use segmenter::codec::stored;
use segmenter::domain::profile::Profile;
use segmenter::domain::sample::Sample;
use uuid::Uuid;

use super::{begin, changes, items, member, rebuilt, run, run_json, serve_until_settled, versions};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Record, eventually};
use crate::world::{assert_table_equals_oracle, table};

/// The profiles of all users.
async fn profiles(scene: &Scene) -> BTreeMap<String, Profile> {
    let rows: Vec<(String, Vec<u8>)> = sqlx::query_as("select user_id, state from segmenter.profile_states")
        .fetch_all(scene.database.pool())
        .await
        .unwrap();
    rows.into_iter().map(|(user, state)| (user, stored::decode_state(&state).unwrap().profile)).collect()
}

#[tokio::test]
async fn a_replay_into_an_empty_database_equals_the_live_database() {
    let live = Scene::new(3).await;
    live.add_users(60).await;
    live.produce(&history(60, 900, 1)).await;
    for user in ["user-3", "user-7"] {
        live.kafka.produce(&live.updates, Record::tombstone(user)).await;
    }
    serve_until_settled(&live).await;

    let rebuilt = rebuilt(&live, 60).await;
    let finished = run(&rebuilt, &["replay", "--from", "earliest", "--execute"]).await;
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.log);
    assert!(finished.stdout.contains("done"), "{}", finished.stdout);
    assert_eq!(table(rebuilt.database.pool()).await, table(live.database.pool()).await);
    assert_eq!(profiles(&rebuilt).await, profiles(&live).await);
    assert_table_equals_oracle(rebuilt.database.pool(), &live.accepted().await).await;
    rebuilt.assert_changes_form_chains().await;
}

#[tokio::test]
async fn a_replay_of_applied_events_writes_and_publishes_nothing() {
    let scene = Scene::new(2).await;
    scene.add_users(30).await;
    scene.produce(&history(30, 300, 2)).await;
    serve_until_settled(&scene).await;
    let (before, published) = (versions(&scene).await, changes(&scene).await.len());
    let (code, lines) = run_json(&scene, &["replay", "--from", "earliest", "--execute"]).await;
    assert_eq!(code, Some(0));
    let counts = &member(&lines, "end")["counts"];
    assert_eq!(counts["applied"], 0);
    assert_eq!(
        counts["unchanged"].as_u64().unwrap() + counts["stale"].as_u64().unwrap(),
        counts["items"].as_u64().unwrap()
    );
    assert_eq!(versions(&scene).await, before, "no row has a new version or a lock");
    assert_eq!(changes(&scene).await.len(), published);
}

#[tokio::test]
async fn a_replay_beside_live_load_regresses_nothing() {
    let scene = Scene::new(4).await;
    scene.add_users(40).await;
    let (old, new) = (history(40, 600, 3), history(40, 1200, 4));
    scene.produce(&old).await;
    let mut live = scene.serve();
    scene.read().await;
    let replays = [
        begin(&scene, &["replay", "--from", "earliest", "--execute", "--rate", "2000"]),
        begin(&scene, &["replay", "--from", "earliest", "--execute"]),
    ];
    for chunk in new.chunks(200) {
        scene.produce(chunk).await;
    }
    for replay in replays {
        let finished = replay.finish(DEADLINE).await;
        assert_eq!(finished.code, Some(0), "{}", finished.log);
    }
    scene.settled().await;
    scene.assert_right().await;
    live.terminate();
    assert_eq!(live.wait(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn erased_users_stay_erased() {
    let scene = Scene::new(2).await;
    scene.add_users(10).await;
    scene.produce(&history(10, 100, 5)).await;
    for user in 0..10 {
        scene.kafka.produce(&scene.onboarding, Record::tombstone(format!("user-{user}"))).await;
    }
    serve_until_settled(&scene).await;
    assert!(table(scene.database.pool()).await.is_empty());
    let before = versions(&scene).await;
    // The updates first: those of an erased user are older than the erasure on the other topic.
    for topic in [scene.updates.clone(), scene.onboarding.clone()] {
        let finished = run(&scene, &["replay", "--topic", &topic, "--from", "earliest", "--execute"]).await;
        assert_eq!(finished.code, Some(0), "{}", finished.log);
    }
    assert_eq!(versions(&scene).await, before);
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_counts_the_flow_between_primary_segments() {
    let scene = Scene::new(2).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 200, 6)).await;
    let before = versions(&scene).await;
    let (code, lines) = run_json(&scene, &["replay", "--from", "earliest"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(versions(&scene).await, before);
    let jobs: i64 =
        sqlx::query_scalar("select count(*) from segmenter.jobs").fetch_one(scene.database.pool()).await.unwrap();
    assert_eq!(jobs, 0);
    assert!(changes(&scene).await.is_empty());

    let forecast = member(&lines, "dryRun").clone();
    let finished = run(&scene, &["replay", "--from", "earliest", "--execute"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    let ranked: i64 = sqlx::query_scalar(r#"select count(*) from user_vectors where "primarySegment" is not null"#)
        .fetch_one(scene.database.pool())
        .await
        .unwrap();
    assert_eq!(forecast["usersChanged"].as_i64(), Some(ranked), "as many as the execution changed");
    let to: BTreeMap<String, i64> = sqlx::query_as::<_, (String, i64)>(
        r#"select "primarySegment", count(*) from user_vectors where "primarySegment" is not null group by 1"#,
    )
    .fetch_all(scene.database.pool())
    .await
    .unwrap()
    .into_iter()
    .collect();
    let forecast_to: BTreeMap<String, i64> = forecast["flow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["to"].as_str().unwrap().to_owned(), step["users"].as_i64().unwrap()))
        .collect();
    assert_eq!(forecast_to, to);

    let (_, lines) = run_json(&scene, &["replay", "--from", "earliest"]).await;
    assert_eq!(member(&lines, "dryRun")["usersChanged"], 0, "the replay has run");
}

#[tokio::test]
async fn a_dry_run_of_a_sample_meets_the_same_share_of_users_each_time() {
    let scene = Scene::new(1).await;
    scene.add_profiles(200).await;
    let events = history(200, 900, 7);
    scene.produce(&events).await;
    let sample: Sample = "25%".parse().unwrap();
    let sampled = (0..200).filter(|number| sample.contains(&format!("user-{number}"))).count();
    let dry_run = async |arguments: &[&str]| {
        let (code, lines) = run_json(&scene, arguments).await;
        assert_eq!(code, Some(0), "{lines:?}");
        member(&lines, "dryRun").clone()
    };
    let of_profiles = dry_run(&["backfill", "--all", "--sample", "25%"]).await;
    assert_eq!((&of_profiles["sample"], &of_profiles["usersChanged"]), (&"25%".into(), &sampled.into()));
    let of_events = dry_run(&["replay", "--from", "earliest", "--sample", "25%"]).await;
    assert_eq!(of_events["counts"]["items"], events.len(), "the records of the others are skipped");
    assert!(of_events["usersChanged"].as_u64().unwrap() <= sampled as u64 && of_events["usersChanged"] != 0);
    assert_eq!(dry_run(&["replay", "--from", "earliest", "--sample", "25%"]).await, of_events);
}

#[tokio::test]
async fn records_that_retention_deletes_during_a_replay_are_counted_named_and_no_reason_to_end() {
    let scene = Scene::new(2).await;
    scene.add_users(20).await;
    let events = history(20, 1_000, 9);
    scene.produce(&events).await;
    let last = scene.kafka.end_offsets(&scene.updates).await[1];
    let name = Uuid::new_v4().to_string();
    let id = ["--id", &name];
    let start = ["replay", "--from", "earliest", "--execute", "--rate", "50"];
    let job = begin(&scene, &[start.as_slice(), &id].concat());
    eventually(DEADLINE, "some progress", || async { items(&scene, id[1].parse().unwrap()).await > 0 }).await;
    // The last partition is far from being read.
    scene.kafka.delete_records_before(&scene.updates, 1, last - 5).await;
    assert_eq!(run(&scene, &["job", "throttle", &name]).await.code, Some(0));
    let finished = job.finish(DEADLINE).await;
    assert_eq!(finished.code, Some(4), "{}", finished.log);
    assert!(finished.log.contains("retention has deleted records") && finished.log.contains(&scene.updates));
    let (code, lines) = run_json(&scene, &["job", "resume", &name]).await;
    assert_eq!(code, Some(3), "it is done: {lines:?}");
    let status = run_json(&scene, &["job", "status", &name]).await.1;
    let counts = &status[0]["counts"];
    assert_eq!(
        (&counts["deleted"], &counts["items"]),
        (&(last - 5).into(), &(events.len() as i64 - last + 5).into()),
        "{status:?}"
    );
}

#[tokio::test]
async fn several_rejected_events_of_one_user_in_a_batch_are_listed_once_and_the_job_ends() {
    let scene = Scene::new(1).await;
    scene.add_users(5).await;
    scene.database.run(r#"alter table user_vectors add constraint refused check ("userId" <> 'user-1')"#).await;
    scene.produce(&history(5, 60, 10)).await;
    let (code, lines) = run_json(&scene, &["replay", "--from", "earliest", "--execute"]).await;
    let end = member(&lines, "end");
    assert_eq!(code, Some(4), "{end}");
    assert!(end["counts"]["rejected"].as_u64().unwrap() > 1, "{end}");
    let examples = end["examples"].as_array().unwrap();
    assert!(examples.len() == 1 && examples[0]["subject"] == "user-1", "{end}");
    assert_eq!(end["findings"][0]["command"], "segmenter replay --from T --dead-letter --execute");
}

#[tokio::test]
async fn rejected_records_are_counted_and_dead_lettered_only_with_the_option() {
    let scene = Scene::new(1).await;
    scene.add_users(5).await;
    scene.produce(&history(5, 50, 8)).await;
    let (partition, offset) = scene.kafka.produce(&scene.updates, Record::new("user-1", "{broken")).await;
    scene.kafka.produce(&scene.updates, Record::new("stranger", r#"{"userId":"stranger","updatedAt":"2026-01-01T00:00:00Z","preferences":{"climate":{"preferences":["HOT"]}}}"#)).await;

    let start = ["replay", "--from", "earliest", "--execute"];
    let (code, lines) = run_json(&scene, &start).await;
    assert_eq!(code, Some(4), "done, with findings");
    let counts = &member(&lines, "end")["counts"];
    assert_eq!((&counts["rejected"], &counts["unknownUsers"]), (&1.into(), &1.into()));
    assert!(scene.dead_letters().await.is_empty());

    let with_dead_letters: Vec<&str> = start.iter().chain(&["--dead-letter"]).copied().collect();
    let (code, _) = run_json(&scene, &with_dead_letters).await;
    assert_eq!(code, Some(4));
    let letters = scene.dead_letters().await;
    assert_eq!(letters.len(), 1, "the stranger is skipped");
    assert_eq!(letters[0].header("segmenter.reason"), Some("malformed"));
    assert_eq!(letters[0].header("__connect.errors.partition"), Some(partition.to_string().as_str()));
    assert_eq!(letters[0].header("__connect.errors.offset"), Some(offset.to_string().as_str()));
    assert_eq!(letters[0].value.as_deref(), Some(b"{broken".as_slice()));
}

#[tokio::test]
async fn only_the_selected_users_and_partitions_are_replayed() {
    let scene = Scene::new(2).await;
    scene.add_users(8).await;
    scene.produce(&history(8, 120, 9)).await;
    let start = ["replay", "--from", "earliest", "--execute"];
    let arguments: Vec<&str> = start.iter().chain(&["--user", "user-2", "--user", "user-5"]).copied().collect();
    let finished = run(&scene, &arguments).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    let selected: Vec<_> = scene
        .accepted()
        .await
        .into_iter()
        .filter(|event| ["user-2", "user-5"].contains(&event.user.as_str()))
        .collect();
    assert_table_equals_oracle(scene.database.pool(), &selected).await;

    let arguments: Vec<&str> = start.iter().chain(&["--partition", "1"]).copied().collect();
    let (code, lines) = run_json(&scene, &arguments).await;
    assert_eq!(code, Some(0));
    let ranges = member(&lines, "plan")["ranges"].as_array().unwrap();
    assert!(!ranges.is_empty() && ranges.iter().all(|range| range["partition"] == 1), "{ranges:?}");
}
