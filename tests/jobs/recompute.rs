//! `segmenter recompute`: stored profiles are scored again.

use std::collections::BTreeMap;

use super::{changes, member, run_json, serve_until_settled, versions};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Finished, segmenter};
use crate::world::{assert_table_equals_oracle, table};

/// A catalog of a higher version, which ranks at most one segment per user.
fn stricter_catalog(folder: &tempfile::TempDir) -> String {
    let text = include_str!("../../src/domain/scoring/catalog.toml");
    let text =
        text.replacen("version = 1", "version = 2", 1).replacen("maximum_segments = 3", "maximum_segments = 1", 1);
    let file = folder.path().join("catalog.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

async fn recompute(scene: &Scene, catalog: Option<&str>, more: &[&str]) -> Finished {
    let arguments: Vec<&str> = ["recompute"].iter().chain(more).copied().collect();
    let mut environment = scene.environment();
    environment.extend(catalog.map(|catalog| ("SEGMENTER_CATALOG_FILE", catalog)));
    segmenter(&arguments, &environment).finish(DEADLINE).await
}

async fn served(seed: u64) -> Scene {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 200, seed)).await;
    serve_until_settled(&scene).await;
    scene
}

async fn rankings(scene: &Scene) -> BTreeMap<String, String> {
    let names = |value: &serde_json::Value| {
        value.as_array().unwrap().iter().map(|one| one["segment"].to_string()).collect::<Vec<_>>().join(",")
    };
    table(scene.database.pool()).await.into_iter().map(|(user, row)| (user, names(&row.segments))).collect()
}

#[tokio::test]
async fn a_new_catalog_rescores_every_user_and_each_change_is_published_once() {
    let scene = served(81).await;
    let (before, published) = (rankings(&scene).await, changes(&scene).await.len());
    let folder = tempfile::tempdir().unwrap();
    let catalog = stricter_catalog(&folder);
    let unwritten = versions(&scene).await;
    let forecast = recompute(&scene, Some(&catalog), &["--json"]).await;
    assert_eq!(forecast.code, Some(0), "{}", forecast.log);
    assert_eq!(versions(&scene).await, unwritten, "a dry run writes nothing");
    let finished = recompute(&scene, Some(&catalog), &["--execute"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);

    let after = rankings(&scene).await;
    let changed: Vec<&String> = before.keys().filter(|user| before[*user] != after[*user]).collect();
    assert!(!changed.is_empty());
    let forecast: Vec<serde_json::Value> =
        forecast.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(member(&forecast, "dryRun")["usersChanged"].as_u64(), Some(changed.len() as u64));
    let records = changes(&scene).await;
    let recomputed: Vec<_> = records
        .iter()
        .filter(|record| record.value.is_some() && record.json()["payload"]["trigger"] == "RECOMPUTE")
        .collect();
    assert_eq!(recomputed.len(), changed.len(), "one record per changed ranking, and none for the others");
    assert_eq!(records.len(), published + changed.len());
    scene.assert_changes_form_chains().await;
    let versions: Vec<i32> =
        sqlx::query_scalar("select distinct catalog_version from segmenter.profile_states where catalog_version > 0")
            .fetch_all(scene.database.pool())
            .await
            .unwrap();
    assert_eq!(versions, [2], "also of users whose ranking stays");

    let older = recompute(&scene, None, &["--execute"]).await;
    assert_eq!(older.code, Some(3), "an older catalog is refused: {}", older.log);
}

#[tokio::test]
async fn rows_that_differ_from_their_states_are_repaired_and_no_others_are_written() {
    let scene = served(82).await;
    let ids: Vec<String> = table(scene.database.pool()).await.into_keys().collect();
    let [deleted, broken, vector] = [&ids[0], &ids[1], &ids[2]];
    scene
        .database
        .run(format!(
            r#"delete from user_vectors where "userId" = '{deleted}';
               update user_vectors set segments = '[]', "primarySegment" = null where "userId" = '{broken}';
               update user_vectors set vector = '[9]' where "userId" = '{vector}'"#
        ))
        .await;
    let published = changes(&scene).await.len();
    let (code, lines) = run_json(&scene, &["recompute", "--repair", "--execute"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(member(&lines, "end")["counts"]["applied"], 3);
    assert_table_equals_oracle(scene.database.pool(), &scene.accepted().await).await;
    assert_eq!(changes(&scene).await.len(), published, "their rankings are already published");

    let before = versions(&scene).await;
    let (_, lines) = run_json(&scene, &["recompute", "--repair", "--execute"]).await;
    assert_eq!(member(&lines, "end")["counts"]["applied"], 0);
    let (_, lines) = run_json(&scene, &["recompute", "--all", "--execute"]).await;
    assert_eq!(member(&lines, "end")["counts"]["applied"], 0, "the same catalog gives the same ranking");
    let unlocked =
        |rows: &[String]| rows.iter().filter(|row| !row.contains("user-") || row.contains("segments")).count();
    assert_eq!(unlocked(&versions(&scene).await), unlocked(&before));
}
