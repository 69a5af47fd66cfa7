//! `segmenter republish`: the last published changes are published again.

use std::collections::BTreeMap;

use super::{changes, items, member, run, run_json, serve_until_settled};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{OwnedRecord, Record, eventually};
use uuid::Uuid;

async fn served(seed: u64) -> Scene {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 200, seed)).await;
    serve_until_settled(&scene).await;
    scene.kafka.produce(&scene.updates, Record::tombstone("user-3")).await;
    serve_until_settled(&scene).await;
    scene
}

/// The number of records of each user.
async fn records_by_user(scene: &Scene) -> BTreeMap<String, usize> {
    let mut records = BTreeMap::new();
    for record in changes(scene).await {
        *records.entry(record.key_text().to_owned()).or_default() += 1;
    }
    records
}

/// The last record of each user.
async fn last(scene: &Scene) -> BTreeMap<String, OwnedRecord> {
    changes(scene).await.into_iter().map(|record| (record.key_text().to_owned(), record)).collect()
}

#[tokio::test]
async fn a_lost_topic_gets_the_same_records_again_byte_for_byte() {
    let scene = served(91).await;
    let before = last(&scene).await;
    let (code, lines) = run_json(&scene, &["republish", "--all"]).await;
    assert_eq!((code, member(&lines, "dryRun")["counts"]["applied"].as_u64()), (Some(0), Some(before.len() as u64)));

    let lost = scene.changes.clone();
    let scene = Scene { changes: scene.kafka.create_topic("changes", 2, &[]).await, ..scene };
    assert!(changes(&scene).await.is_empty());
    let finished = run(&scene, &["republish", "--all", "--execute"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    let after = last(&scene).await;
    assert_eq!(changes(&scene).await.len(), before.len(), "one record per user");
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for (user, record) in &before {
        assert_eq!(after[user].value, record.value, "{user} in {lost}");
        assert_eq!(after[user].header("segmenter.revision"), record.header("segmenter.revision"));
    }
    assert!(after["user-3"].value.is_none(), "an erased user has a tombstone again");
    let finished = run(&scene, &["verify", "--topic"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
}

#[tokio::test]
async fn an_unpublished_change_of_a_job_is_published_with_a_new_revision() {
    let scene = Scene::new(1).await;
    scene.add_users(10).await;
    scene.produce(&history(10, 100, 92)).await;
    let id = Uuid::new_v4().to_string();
    let finished = run(&scene, &["replay", "--from", "earliest", "--execute", "--emit", "none", "--id", &id]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert!(changes(&scene).await.is_empty());
    let finished = run(&scene, &["republish", "--all", "--execute"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    let published = changes(&scene).await;
    assert!(!published.is_empty());
    assert!(
        published.iter().all(|record| record.json()["payload"]["trigger"] == "REPLAY"),
        "the job that made the change"
    );
    assert!(published.iter().all(|record| record.json()["payload"]["replayId"] == id.as_str()));
    scene.assert_right().await;
}

#[tokio::test]
async fn a_segment_alone_is_published_again_throttled_and_resumable() {
    let scene = served(93).await;
    let primary: String = sqlx::query_scalar(
        r#"select "primarySegment" from user_vectors where "primarySegment" is not null group by 1 order by count(*) desc limit 1"#,
    )
    .fetch_one(scene.database.pool())
    .await
    .unwrap();
    let users: Vec<String> =
        sqlx::query_scalar(r#"select "userId" from user_vectors where "primarySegment" = $1 order by 1"#)
            .bind(&primary)
            .fetch_all(scene.database.pool())
            .await
            .unwrap();
    let before = records_by_user(&scene).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let arguments = ["republish", "--segment", &primary, "--execute", "--rate", "2", "--id", &name];
    let mut job = super::begin(&scene, &arguments);
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 0 }).await;
    job.terminate();
    job.wait(DEADLINE).await;
    run(&scene, &["job", "throttle", &name]).await;
    let finished = run(&scene, &["job", "resume", &name]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    for (user, records) in records_by_user(&scene).await {
        let again = usize::from(users.contains(&user));
        assert_eq!(records, before[&user] + again, "{user}: only users of the segment are published again");
    }
}
