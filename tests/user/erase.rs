//! `segmenter user erase`: the effect of a tombstone, by command.

use segmenter::domain::event::{Event, Millis, Stamp};

use super::run;
use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event, record};
use crate::support::{Finished, OwnedRecord, segmenter};
use crate::world::{apply, group, onboarding, store_on, table};

async fn erase(scene: &Scene, arguments: &[&str], more: &[(&str, &str)]) -> Finished {
    let mut environment = scene.environment();
    environment.extend(more);
    run(&[&["user", "erase"], arguments].concat(), &environment).await
}

/// An onboarding dated `ahead` ms after the database's current time.
async fn onboarding_in(scene: &Scene, name: &str, ahead: i64) -> Event {
    let now: i64 = sqlx::query_scalar("select floor(extract(epoch from clock_timestamp()) * 1000)::bigint")
        .fetch_one(scene.database.pool())
        .await
        .unwrap();
    let event = onboarding(name, 1, vec![group("SOLO")]);
    Event { stamp: Stamp { time: Millis(now + ahead), ..event.stamp }, ..event }
}

/// Revision and time of erasure of each of the user's tombstones on segment-changed, in the order of the topic.
async fn tombstones(scene: &Scene, user: &str) -> Vec<(i64, Option<i64>)> {
    let number = |record: &OwnedRecord, header| record.header(header).and_then(|value| value.parse().ok());
    let all = scene.kafka.read_all(&scene.changes).await;
    let of_user = all.iter().filter(|record| record.key_text() == user && record.value.is_none());
    of_user.map(|one| (number(one, "segmenter.revision").unwrap(), number(one, "segmenter.erased-at"))).collect()
}

/// The time of the user's erasure, with or without a state.
async fn erased_at(scene: &Scene, user: &str) -> Option<i64> {
    sqlx::query_scalar(
        "select erased_at from segmenter.profile_states where user_id = $1
         union all select erased_at from segmenter.deleted_users where user_id = $1",
    )
    .bind(user)
    .fetch_optional(scene.database.pool())
    .await
    .unwrap()
    .flatten()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_and_the_execution_erases_row_and_state_and_publishes_a_tombstone() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann", "bob"]).await;
    scene
        .database
        .run(r#"insert into user_vectors (id, "userId", vector, source, "updatedAt") values ('b', 'bob', '[1]', 'behavior', now())"#)
        .await;
    let store = store_on(scene.database.pool()).await;
    let (ann, bob) = (onboarding_in(&scene, "ann", -1000).await, onboarding_in(&scene, "bob", -1000).await);
    apply(&store, &[ann.clone(), bob]).await;
    scene.database.run("delete from segmenter.outbox").await;

    let before = table(scene.database.pool()).await;
    let dry = erase(&scene, &["ann", "--to-topics"], &[]).await;
    assert!(dry.code == Some(0) && dry.stdout.contains("--execute"), "{dry:?}");
    assert_eq!(table(scene.database.pool()).await, before);
    assert_eq!((erased_at(&scene, "ann").await, scene.outbox().await), (None, 0));
    for topic in [&scene.changes, &scene.onboarding, &scene.updates] {
        assert!(scene.kafka.read_all(topic).await.is_empty());
    }

    let done = erase(&scene, &["ann", "--execute"], &[]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("comes back") && done.stdout.contains("--to-topics"), "{}", done.stdout);
    assert!(erased_at(&scene, "ann").await.is_some_and(|at| at > ann.stamp.time.0));
    assert!(!table(scene.database.pool()).await.contains_key("ann"));
    assert_eq!(scene.outbox().await, 0);
    let published = scene.kafka.read_all(&scene.changes).await;
    assert_eq!(
        published.iter().map(|record| (record.key_text(), record.value.is_none())).collect::<Vec<_>>(),
        [("ann", true)]
    );
    assert_eq!(published[0].header("segmenter.erased-at"), Some(&*erased_at(&scene, "ann").await.unwrap().to_string()));
    assert!(scene.kafka.read_all(&scene.onboarding).await.is_empty(), "only --to-topics writes there");
    apply(&store, &[ann]).await;
    assert!(!table(scene.database.pool()).await.contains_key("ann"), "the old event does not bring the user back");

    assert_eq!(erase(&scene, &["bob", "--execute"], &[]).await.code, Some(0));
    let learned: (String, bool) =
        sqlx::query_as(r#"select vector::text, segments is null from user_vectors where "userId" = 'bob'"#)
            .fetch_one(scene.database.pool())
            .await
            .unwrap();
    assert_eq!(learned, ("[1]".to_owned(), true), "the learned vector stays");
    let first = erased_at(&scene, "bob").await;
    assert_eq!(erase(&scene, &["bob", "--execute"], &[]).await.code, Some(0));
    assert!(erased_at(&scene, "bob").await > first);
    let of_bob = tombstones(&scene, "bob").await;
    assert!(of_bob.len() == 2 && of_bob[0] < of_bob[1], "each erasure has a tombstone of its own: {of_bob:?}");
    assert_eq!(of_bob[1].1, erased_at(&scene, "bob").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_erasure_waits_for_a_future_register_and_refuses_one_beyond_the_limit() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann", "bob"]).await;
    let store = store_on(scene.database.pool()).await;
    let (soon, late) = (onboarding_in(&scene, "ann", 4000).await, onboarding_in(&scene, "bob", 3_600_000).await);
    apply(&store, &[soon.clone(), late]).await;
    let done = erase(&scene, &["ann", "--execute"], &[]).await;
    assert!(done.code == Some(0) && done.stdout.contains("wait for"), "{done:?}");
    assert!(erased_at(&scene, "ann").await.is_some_and(|at| at > soon.stamp.time.0));
    assert!(!table(scene.database.pool()).await.contains_key("ann"));
    for arguments in [&["bob"][..], &["bob", "--execute"]] {
        let refused = erase(&scene, arguments, &[]).await;
        assert!(refused.code == Some(3) && refused.log.contains("limits.max_future"), "{refused:?}");
    }
    assert!(table(scene.database.pool()).await.contains_key("bob"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_whom_nothing_was_published_can_be_erased_with_a_tombstone_and_older_events_are_void() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann"]).await;
    for name in ["stranger", "ann"] {
        let done = erase(&scene, &[name, "--execute"], &[]).await;
        assert!(done.code == Some(0) && done.stdout.contains("Published the tombstone"), "{done:?}");
        let at = erased_at(&scene, name).await;
        assert!(at.is_some());
        let published = tombstones(&scene, name).await;
        assert_eq!(published.iter().map(|(_, erased_at)| *erased_at).collect::<Vec<_>>(), [at]);
        let revision: i64 = sqlx::query_scalar(
            "select revision from segmenter.profile_states where user_id = $1
             union all select revision from segmenter.deleted_users where user_id = $1",
        )
        .bind(name)
        .fetch_one(scene.database.pool())
        .await
        .unwrap();
        assert_eq!(revision, published[0].0, "later revisions are above the published one");
    }
    scene.database.add_users(["stranger"]).await;
    let store = store_on(scene.database.pool()).await;
    apply(&store, &["stranger", "ann"].map(|name| onboarding(name, 1, vec![group("SOLO")]))).await;
    assert!(table(scene.database.pool()).await.is_empty(), "older events are void");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tombstone_of_an_erased_user_is_the_same_when_it_is_published_again_after_a_delete_on_the_platform() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann"]).await;
    assert_eq!(erase(&scene, &["ann", "--execute"], &[]).await.code, Some(0));
    scene.database.run("delete from users").await;
    // Another, later erasure of the deleted user, which is stored and not published yet.
    scene.database.run("update segmenter.deleted_users set erased_at = erased_at + 1000").await;
    scene.database.run("insert into segmenter.outbox (users) values (array['ann'])").await;
    let _process = scene.serve();
    scene.settled().await;
    let published = tombstones(&scene, "ann").await;
    assert!(published.len() == 2 && published[0] == published[1], "{published:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_unavailable_the_user_is_erased_and_the_outbox_keeps_the_tombstone() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann"]).await;
    let store = store_on(scene.database.pool()).await;
    apply(&store, &[onboarding_in(&scene, "ann", -1000).await]).await;
    scene.database.run("delete from segmenter.outbox").await;
    let done = erase(&scene, &["ann", "--execute"], &[("KAFKA_BROKERS", "127.0.0.1:1")]).await;
    assert!(done.code == Some(75) && done.stdout.contains("It is in the outbox"), "{done:?}");
    assert!(table(scene.database.pool()).await.is_empty());
    assert_eq!(scene.outbox().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_to_topics_a_rebuilt_database_leaves_the_user_erased() {
    let scene = Scene::new(2).await;
    scene.add_users(3).await;
    let mut numbers = Numbers(11);
    for (id, name) in ["user-0", "user-1", "user-2"].into_iter().enumerate() {
        let event = onboarding_event(name, id as u64, &mut numbers);
        scene.kafka.produce(&scene.onboarding, record(name, &event)).await;
    }
    let mut process = scene.serve();
    scene.settled().await;
    assert_eq!(erase(&scene, &["user-0", "--execute"], &[]).await.code, Some(0));
    assert_eq!(erase(&scene, &["user-1", "--to-topics", "--execute"], &[]).await.code, Some(0));
    for topic in [&scene.onboarding, &scene.updates] {
        let nulls: Vec<_> = scene.kafka.read_all(topic).await.into_iter().filter(|one| one.value.is_none()).collect();
        assert_eq!(nulls.len(), 1);
        assert_eq!((nulls[0].key_text(), nulls[0].timestamp), ("user-1", erased_at(&scene, "user-1").await));
    }
    scene.settled().await;
    assert_eq!(table(scene.database.pool()).await.into_keys().collect::<Vec<_>>(), ["user-2"]);
    process.terminate();
    process.wait(DEADLINE).await;

    let environment = scene.environment();
    for arguments in [&["migrate", "revert", "--all", "--execute"][..], &["migrate", "run"]] {
        let done = segmenter(arguments, &environment).finish(DEADLINE).await;
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let anew = Scene { group: format!("{}-anew", scene.group), ..scene };
    let _process = anew.serve();
    anew.settled().await;
    let users: Vec<String> = table(anew.database.pool()).await.into_keys().collect();
    assert_eq!(users, ["user-0", "user-2"], "only the user that was erased without --to-topics comes back");
}
