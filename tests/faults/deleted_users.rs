//! Erased and deleted users: by a tombstone in a topic, or on the platform.

use serde_json::Value;

use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event, record, update_event};
use crate::support::{OwnedRecord, Record, eventually};
use crate::world::table;

fn at(event: Value, time: &str) -> Value {
    let mut event = event;
    for field in ["completedAt", "updatedAt"] {
        if event["payload"].get(field).is_some() {
            event["payload"][field] = time.into();
        }
    }
    event
}

fn onboarding(user: &str, id: u64, time: &str) -> Record {
    record(user, &at(onboarding_event(user, id, &mut Numbers(id)), time))
}

async fn records_of(scene: &Scene, user: &str) -> Vec<OwnedRecord> {
    let all = scene.kafka.read_all(&scene.changes).await;
    all.into_iter().filter(|record| record.key_text() == user).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_deleted_on_the_platform_loses_row_and_state_gets_a_tombstone_and_may_come_back() {
    let scene = Scene::new(1).await;
    scene.add_users(2).await;
    let _process = scene.serve();
    for user in ["user-0", "user-1"] {
        scene.kafka.produce(&scene.onboarding, onboarding(user, 1, "2026-03-01T10:00:00Z")).await;
    }
    scene.settled().await;
    scene.database.run("delete from users where id = 'user-0'").await;
    eventually(DEADLINE, "the tombstone", || async {
        records_of(&scene, "user-0").await.last().is_some_and(|last| last.value.is_none())
    })
    .await;
    scene.settled().await;
    let states: Vec<String> = sqlx::query_scalar("select user_id from segmenter.profile_states")
        .fetch_all(scene.database.pool())
        .await
        .unwrap();
    assert_eq!(states, ["user-1"]);
    assert_eq!(table(scene.database.pool()).await.into_keys().collect::<Vec<_>>(), ["user-1"]);
    let of_deleted = records_of(&scene, "user-0").await;
    assert_eq!(of_deleted.len(), 2);
    assert_eq!(of_deleted[1].header("segmenter.erased-at"), None, "a delete is no erasure");
    // A tombstone in a topic, which a platform sends after the delete, is one.
    scene.kafka.produce(&scene.updates, Record::tombstone("user-0").timestamp(1_772_362_800_000)).await;
    scene.settled().await;
    let of_erased = records_of(&scene, "user-0").await;
    assert_eq!(of_erased.len(), 3);
    assert_eq!(of_erased[2].header("segmenter.erased-at"), Some("1772362800000"));
    scene.kafka.produce(&scene.onboarding, Record::tombstone("user-0").timestamp(1_772_362_800_000)).await;
    scene.settled().await;
    assert_eq!(records_of(&scene, "user-0").await.len(), 3, "the same erasure again changes nothing");

    scene.database.add_users(["user-0"]).await;
    scene.kafka.produce(&scene.onboarding, onboarding("user-0", 2, "2026-03-01T12:00:00Z")).await;
    scene.settled().await;
    assert!(table(scene.database.pool()).await.contains_key("user-0"));
    scene.assert_changes_form_chains().await;
    assert!(scene.dead_letters().await.is_empty());
}

/// Every order of the numbers below `count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let insert = |order: &Vec<usize>, place: usize| {
        let mut order = order.clone();
        order.insert(place, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |place| insert(order, place))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_erases_what_is_older_in_whatever_order_it_comes() {
    const ERASED_AT: i64 = 1_772_362_800_000;
    let orders = orders(4);
    let scene = Scene::new(1).await;
    scene.add_users(2 * orders.len() as u64).await;
    // Half of the users stay erased; the others have an onboarding that is newer than the erasure.
    for (number, order) in orders.iter().chain(&orders).enumerate() {
        let user = format!("user-{number}");
        let newest = if number < orders.len() { "2026-03-01T10:30:00Z" } else { "2026-03-01T11:30:00Z" };
        for step in order {
            let (topic, record) = match step {
                0 => (&scene.onboarding, onboarding(&user, 1, "2026-03-01T10:00:00Z")),
                1 => (
                    &scene.updates,
                    record(&user, &at(update_event(&user, 2, &mut Numbers(2)), "2026-03-01T10:15:00Z")),
                ),
                2 => (&scene.onboarding, onboarding(&user, 3, newest)),
                _ => (&scene.onboarding, Record::tombstone(user.clone()).timestamp(ERASED_AT)),
            };
            scene.kafka.produce(topic, record).await;
        }
    }
    let _process = scene.serve_with(&[("SEGMENTER_BATCH_MAX_RECORDS", "3")]);
    scene.settled().await;
    scene.assert_right().await;
    let present = table(scene.database.pool()).await;
    assert_eq!(present.len(), orders.len(), "exactly the users with an onboarding after the erasure");
    assert!(scene.dead_letters().await.is_empty());
}
