//! Deferred publishing: the changes that a job publishes, and when.

use serde_json::Value;
use uuid::Uuid;

use super::{changes, run, serve_until_settled};
use crate::scene::{Scene, history};
use crate::world::table;

async fn pending(scene: &Scene) -> i64 {
    sqlx::query_scalar("select count(*) from segmenter.profile_states where job_id is not null")
        .fetch_one(scene.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_replay_publishes_the_net_change_of_each_user_once_when_it_ends() {
    let scene = Scene::new(2).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 400, 11)).await;
    let id = Uuid::new_v4().to_string();
    let finished = run(&scene, &["replay", "--from", "earliest", "--execute", "--id", &id]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);

    let published = changes(&scene).await;
    let ranked = table(scene.database.pool()).await.into_values().filter(|row| row.primary_segment.is_some()).count();
    assert_eq!(published.len(), ranked, "one record per user, whatever the history");
    for record in &published {
        let change = record.json();
        assert_eq!(change["payload"]["trigger"], "REPLAY");
        assert_eq!(change["payload"]["replayId"], id.as_str());
        assert_eq!(change["correlationId"], id.as_str());
        assert_eq!(change["causationId"], Value::Null);
        assert_eq!(change["payload"]["previousSegments"], Value::Array(Vec::new()));
    }
    assert_eq!(pending(&scene).await, 0);
    scene.assert_right().await;
}

#[tokio::test]
async fn a_job_with_emit_none_leaves_the_net_change_to_the_next_live_event() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let events = history(1, 30, 12);
    let (last, before) = events.split_last().unwrap();
    scene.produce(before).await;
    let finished = run(&scene, &["replay", "--from", "earliest", "--execute", "--emit", "none"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert!(changes(&scene).await.is_empty());
    assert_eq!(pending(&scene).await, 1);

    // The newest event wins, and its fold compares with the last published ranking.
    let mut newest = last.2.clone();
    newest["eventId"] = "ffffffff-ffff-4fff-8fff-ffffffffffff".into();
    newest["timestamp"] = "2026-03-02T00:00:00.000Z".into();
    let payload = newest["payload"].as_object_mut().unwrap();
    let at = if last.0 { "completedAt" } else { "updatedAt" };
    payload.insert(at.to_owned(), "2026-03-02T00:00:00.000Z".into());
    scene.produce(&[(last.0, last.1.clone(), newest)]).await;
    serve_until_settled(&scene).await;
    let published = changes(&scene).await;
    assert_eq!(published.len(), 1);
    let change = published[0].json();
    assert_eq!(
        change["payload"]["previousSegments"],
        Value::Array(Vec::new()),
        "the change from the last published ranking"
    );
    assert_eq!(change["payload"]["replayId"], Value::Null);
    assert_eq!(pending(&scene).await, 0, "publishing clears the deferred change");
    scene.assert_right().await;
}

#[tokio::test]
async fn a_job_publishes_erasures_immediately() {
    let scene = Scene::new(1).await;
    scene.add_users(2).await;
    scene.produce(&history(2, 20, 13)).await;
    serve_until_settled(&scene).await;
    let published = changes(&scene).await.len();
    for user in ["user-0", "user-1"] {
        scene.kafka.produce(&scene.onboarding, crate::support::Record::tombstone(user)).await;
    }
    let finished = run(&scene, &["replay", "--from", "earliest", "--execute", "--emit", "none"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    let records = changes(&scene).await;
    let nulls: Vec<_> = records[published.min(records.len())..]
        .iter()
        .chain(&records)
        .filter(|record| record.value.is_none())
        .collect();
    assert!(
        nulls.iter().any(|record| record.key_text() == "user-0")
            && nulls.iter().any(|record| record.key_text() == "user-1")
    );
    assert!(table(scene.database.pool()).await.is_empty());
}
