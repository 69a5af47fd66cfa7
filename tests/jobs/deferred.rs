//! What a job says, and when.

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
async fn the_end_of_a_replay_says_the_net_change_of_each_user_once() {
    let scene = Scene::new(2).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 400, 11)).await;
    let id = Uuid::new_v4().to_string();
    let finished = run(&scene, &["replay", "--from", "earliest", "--execute", "--id", &id]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);

    let said = changes(&scene).await;
    let ranked = table(scene.database.pool()).await.into_values().filter(|row| row.primary_segment.is_some()).count();
    assert_eq!(said.len(), ranked, "one record a user, whatever its history");
    for record in &said {
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
async fn a_job_that_says_nothing_leaves_the_net_change_to_the_next_live_event() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let events = history(1, 30, 12);
    let (last, before) = events.split_last().unwrap();
    scene.produce(before).await;
    let finished = run(&scene, &["replay", "--from", "earliest", "--execute", "--emit", "none"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert!(changes(&scene).await.is_empty());
    assert_eq!(pending(&scene).await, 1);

    // The newest of all: it wins whatever it carries, and its fold looks at what was published last.
    let mut newest = last.2.clone();
    newest["eventId"] = "ffffffff-ffff-4fff-8fff-ffffffffffff".into();
    newest["timestamp"] = "2026-03-02T00:00:00.000Z".into();
    let payload = newest["payload"].as_object_mut().unwrap();
    let at = if last.0 { "completedAt" } else { "updatedAt" };
    payload.insert(at.to_owned(), "2026-03-02T00:00:00.000Z".into());
    scene.produce(&[(last.0, last.1.clone(), newest)]).await;
    serve_until_settled(&scene).await;
    let said = changes(&scene).await;
    assert_eq!(said.len(), 1);
    let change = said[0].json();
    assert_eq!(
        change["payload"]["previousSegments"],
        Value::Array(Vec::new()),
        "the change from what was published last"
    );
    assert_eq!(change["payload"]["replayId"], Value::Null);
    assert_eq!(pending(&scene).await, 0, "whoever says clears what was owed");
    scene.assert_right().await;
}

#[tokio::test]
async fn erasures_are_published_at_once_also_by_a_job() {
    let scene = Scene::new(1).await;
    scene.add_users(2).await;
    scene.produce(&history(2, 20, 13)).await;
    serve_until_settled(&scene).await;
    let said = changes(&scene).await.len();
    for user in ["user-0", "user-1"] {
        scene.kafka.produce(&scene.onboarding, crate::support::Record::tombstone(user)).await;
    }
    let finished = run(&scene, &["replay", "--from", "earliest", "--execute", "--emit", "none"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    let records = changes(&scene).await;
    let nulls: Vec<_> =
        records[said.min(records.len())..].iter().chain(&records).filter(|record| record.value.is_none()).collect();
    assert!(
        nulls.iter().any(|record| record.key_text() == "user-0")
            && nulls.iter().any(|record| record.key_text() == "user-1")
    );
    assert!(table(scene.database.pool()).await.is_empty());
}
