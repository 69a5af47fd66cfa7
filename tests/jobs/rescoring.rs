//! `segmenter recompute` of selected users, of broken rows of every kind, and after a kill.

use std::collections::BTreeMap;

use serde_json::Value;
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::{begin, changes, column, items, member, run_json};
use crate::scene::{DEADLINE, Scene};
use crate::support::{Segmenter, eventually, segmenter};
use crate::world::{ExpectedRow, table};

const BUILTIN: &str = include_str!("../../src/domain/scoring/catalog.toml");

/// A catalog that ranks at most two segments per user.
fn narrower(version: u32) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    let text = BUILTIN.replacen("version = 1", &format!("version = {version}"), 1).replacen(
        "maximum_segments = 3",
        "maximum_segments = 2",
        1,
    );
    std::fs::write(file.path(), text).unwrap();
    file
}

fn begin_with(scene: &Scene, catalog: &NamedTempFile, arguments: &[&str]) -> Segmenter {
    let mut environment = scene.environment();
    environment.push(("SEGMENTER_CATALOG_FILE", catalog.path().to_str().unwrap()));
    segmenter(arguments, &environment)
}

async fn run_with(scene: &Scene, catalog: &NamedTempFile, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let arguments: Vec<&str> = arguments.iter().chain(&["--json"]).copied().collect();
    let finished = begin_with(scene, catalog, &arguments).finish(DEADLINE).await;
    let lines = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (finished.code, lines)
}

/// A scene whose users have been backfilled from their profiles, with all changes published.
async fn filled(users: u32) -> Scene {
    let scene = Scene::new(1).await;
    scene.add_profiles(users).await;
    let (code, _) = run_json(&scene, &["backfill", "--execute"]).await;
    assert_eq!(code, Some(0));
    scene
}

fn segments(row: &ExpectedRow) -> usize {
    row.segments.as_array().unwrap().len()
}

async fn rows(scene: &Scene) -> BTreeMap<String, ExpectedRow> {
    table(scene.database.pool()).await
}

#[tokio::test]
async fn one_segment_or_a_list_of_users_can_be_scored_again() {
    let scene = filled(40).await;
    let before = rows(&scene).await;
    let segment = before["user-1"].primary_segment.clone().unwrap();
    let of_it = before.values().filter(|row| row.primary_segment.as_ref() == Some(&segment)).count();
    let catalog = narrower(2);
    let (code, lines) = run_with(&scene, &catalog, &["recompute", "--segment", &segment, "--execute"]).await;
    assert_eq!((code, &member(&lines, "end")["counts"]["applied"]), (Some(0), &of_it.into()));
    let other = before.iter().find(|(_, row)| row.primary_segment.as_ref() != Some(&segment)).unwrap().0;
    let list = NamedTempFile::new().unwrap();
    std::fs::write(list.path(), format!("{other}\nuser-1\nunknown-user\n")).unwrap();
    let arguments = ["recompute", "--users-file", list.path().to_str().unwrap(), "--execute"];
    let (code, lines) = run_with(&scene, &catalog, &arguments).await;
    let counts = &member(&lines, "end")["counts"];
    assert_eq!((code, &counts["applied"], &counts["items"]), (Some(0), &1.into(), &3.into()));
    let rescored: i64 = sqlx::query_scalar("select count(*) from segmenter.profile_states where catalog_version = 2")
        .fetch_one(scene.database.pool())
        .await
        .unwrap();
    assert_eq!(rescored, i64::try_from(of_it).unwrap() + 1);
}

#[tokio::test]
async fn repair_restores_broken_and_deleted_rows_and_publishes_nothing() {
    let scene = filled(20).await;
    let (right, published) = (rows(&scene).await, changes(&scene).await.len());
    scene
        .database
        .run(
            r#"update user_vectors set "primarySegment" = 'UNKNOWN' where "userId" = 'user-1';
               update user_vectors set segments = null, "primarySegment" = null, "segmentConfidence" = null,
                   "lastSegmentUpdate" = null where "userId" = 'user-2';
               update user_vectors set vector = '[]' where "userId" = 'user-3';
               delete from user_vectors where "userId" = 'user-4';
               update user_vectors set vector = '[1]', source = 'behavior' where "userId" = 'user-5'"#,
        )
        .await;
    let verify = async |expected| {
        let finished = super::run(&scene, &["verify", "--deep", "all"]).await;
        assert_eq!(finished.code, Some(expected), "{}", finished.stdout);
    };
    verify(4).await;
    let (code, lines) = run_json(&scene, &["recompute", "--repair"]).await;
    let forecast = member(&lines, "dryRun");
    assert_eq!((code, &forecast["counts"]["applied"], &forecast["usersChanged"]), (Some(0), &4.into(), &0.into()));
    let (code, lines) = run_json(&scene, &["recompute", "--repair", "--execute"]).await;
    assert_eq!((code, &member(&lines, "end")["counts"]["applied"]), (Some(0), &4.into()));
    let mut repaired = rows(&scene).await;
    assert_eq!(repaired["user-5"].vector, serde_json::json!([1]), "a learned vector is not ours");
    repaired.insert("user-5".to_owned(), right["user-5"].clone());
    assert_eq!(repaired, right);
    assert_eq!(changes(&scene).await.len(), published);
    verify(0).await;
}

#[tokio::test]
async fn a_recompute_killed_in_the_middle_is_resumed_with_the_same_catalog() {
    let scene = filled(600).await;
    let catalog = narrower(2);
    let id = Uuid::new_v4();
    let name = id.to_string();
    let arguments = ["recompute", "--execute", "--rate", "150", "--id", name.as_str()];
    let mut job = begin_with(&scene, &catalog, &arguments);
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 60 }).await;
    job.kill();
    job.wait(DEADLINE).await;
    assert!(items(&scene, id).await < 600);
    let finished = begin(&scene, &["job", "resume", "--take-over", &name]).finish(DEADLINE).await;
    assert_eq!(finished.code, Some(3), "the older catalog is refused: {}", finished.log);
    let (code, lines) = run_with(&scene, &catalog, &["job", "resume", "--take-over", &name]).await;
    let counts = &member(&lines, "end")["counts"];
    assert_eq!((code, &counts["items"], &counts["applied"]), (Some(0), &600.into(), &600.into()));
    assert_eq!(column(&scene, id, "phase").await.as_deref(), Some("done"));
    assert!(rows(&scene).await.values().all(|row| segments(row) <= 2));
    scene.expire_leases().await;
    let mut live = begin_with(&scene, &catalog, &["serve"]);
    eventually(DEADLINE, "all is published", || async { scene.outbox().await == 0 }).await;
    live.terminate();
    live.wait(DEADLINE).await;
    scene.assert_changes_form_chains().await;
}

#[tokio::test]
async fn an_unreadable_state_is_listed_and_blocks_no_other_user() {
    let scene = filled(10).await;
    scene.database.run(r"update segmenter.profile_states set state = '\x00' where user_id = 'user-3'").await;
    let catalog = narrower(2);
    let (code, lines) = run_with(&scene, &catalog, &["recompute", "--execute"]).await;
    let end = member(&lines, "end");
    assert_eq!((code, &end["counts"]["applied"], &end["counts"]["rejected"]), (Some(4), &9.into(), &1.into()));
    assert_eq!(end["examples"][0]["subject"], "user-3", "{end}");
    let arguments = ["backfill", "--all", "--execute"];
    let (code, lines) = run_with(&scene, &catalog, &arguments).await;
    assert_eq!((code, &member(&lines, "end")["examples"][0]["subject"]), (Some(4), &"user-3".into()), "{lines:?}");
}
