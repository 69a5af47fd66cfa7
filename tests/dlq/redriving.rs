//! `dlq redrive --execute` has the effects of a live run, and no others.

use super::*;
use crate::scene::history;
use crate::support::eventually;
use crate::world::table;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test(flavor = "multi_thread")]
async fn users_created_late_are_as_a_live_run_would_have_left_them_and_redriving_again_changes_nothing() {
    let scene = Scene::new(2).await;
    scene.add_users(4).await;
    scene.produce(&history(10, 120, 31)).await;
    serve_until_settled(&scene).await;
    let dead_letters = scene.dead_letters().await.len();
    assert!(dead_letters > 10);
    let late: Vec<String> = (4..10).map(|number| format!("user-{number}")).collect();
    scene.database.add_users(late.iter().map(String::as_str)).await;
    let inputs = input_ends(&scene).await;

    let (code, counts) = redrive(&scene, &["--reason", "unknown_user"]).await;
    assert_eq!((code, &counts["items"]), (Some(0), &dead_letters.into()), "{counts}");
    scene.assert_right().await;
    assert_eq!(scene.outbox().await, 0);
    let (before, published) = (tables(&scene).await, changes(&scene).await.len());

    let (code, counts) = redrive(&scene, &["--all"]).await;
    assert_eq!((code, &counts["applied"]), (Some(0), &0.into()), "{counts}");
    assert_eq!((tables(&scene).await, changes(&scene).await.len()), (before, published));
    assert_eq!(input_ends(&scene).await, inputs, "the input topics are not written to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_onboarding_is_published_once_with_its_revision_its_cause_and_its_trace() {
    let scene = Scene::new(1).await;
    let record = onboarding("ann", 7).header("traceparent", TRACEPARENT);
    scene.kafka.produce(&scene.onboarding, record).await;
    serve_until_settled(&scene).await;
    scene.database.add_users(["ann"]).await;
    let (code, counts) = redrive(&scene, &["--user", "ann"]).await;
    assert_eq!((code, &counts["applied"]), (Some(0), &1.into()), "{counts}");
    let published = changes(&scene).await;
    assert_eq!(published.len(), 1);
    let (revision, change) = (published[0].header("segmenter.revision").unwrap(), published[0].json());
    assert_eq!(change["payload"]["revision"].to_string(), revision);
    assert_eq!((published[0].key_text(), published[0].header("traceparent")), ("ann", Some(TRACEPARENT)));
    assert_eq!(
        (&change["payload"]["trigger"], &change["correlationId"]),
        (&"ONBOARDING".into(), &"correlation-7".into())
    );
    assert_eq!(change["causationId"], uuid::Uuid::from_u128(7).to_string());
    scene.assert_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_an_envelope_keeps_its_original_time_and_coordinates() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann"]).await;
    let mut payload = onboarding_event("ann", 1, &mut Numbers(1))["payload"].clone();
    payload.as_object_mut().unwrap().remove("completedAt");
    let record = Record::new("ann", payload.to_string());
    scene.kafka.produce(&scene.dead, dead_letter(&scene.onboarding, 4711, record, "unknown_user", 1)).await;
    let redriven = dlq(&scene, &["redrive", "--all", "--execute"]).await;
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    let change = changes(&scene).await[0].json();
    assert_eq!(change["causationId"], format!("{}/0/4711", scene.onboarding));
    assert_eq!(table(scene.database.pool()).await["ann"].last_update, "2026-05-28T20:26:40.000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_event_beside_newer_state_is_stale_and_changes_nothing() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann"]).await;
    scene.kafka.produce(&scene.onboarding, onboarding_at("ann", 2, "2026-02-02T10:00:00Z")).await;
    serve_until_settled(&scene).await;
    let old = onboarding_at("ann", 1, "2026-02-01T10:00:00Z");
    scene.kafka.produce(&scene.dead, dead_letter(&scene.onboarding, 900, old, "unknown_user", 1)).await;
    let (before, published) = (tables(&scene).await, changes(&scene).await);
    let (code, lines, _) = dlq_json(&scene, &["redrive", "--all"]).await;
    assert_eq!((code, &lines[0]["outcome"]), (Some(0), &"stale".into()));
    let (code, counts) = redrive(&scene, &["--all"]).await;
    assert_eq!((code, &counts["stale"]), (Some(0), &1.into()), "{counts}");
    assert_eq!((tables(&scene).await, changes(&scene).await), (before, published));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_rejected_again_gets_a_dead_letter_with_one_more_attempt_up_to_the_limit() {
    let scene = Scene::new(1).await;
    let record = onboarding("stranger", 1).header("source", "user-service");
    let (_, offset) = scene.kafka.produce(&scene.onboarding, record).await;
    scene.kafka.produce(&scene.updates, Record::new("stranger", "{")).await;
    serve_until_settled(&scene).await;
    for attempts in [2, 3] {
        let (code, counts) = redrive(&scene, &["--all"]).await;
        assert_eq!(code, Some(4));
        assert_eq!(counts["rejectedByReason"], serde_json::json!({"malformed": 1, "unknown_user": 1}));
        let dead_letters = scene.dead_letters().await;
        assert_eq!(dead_letters.len(), 2 * attempts);
        let of_strangers = |dead_letter: &&OwnedRecord| dead_letter.header("segmenter.reason") == Some("unknown_user");
        let of_stranger: Vec<&OwnedRecord> = dead_letters.iter().filter(of_strangers).collect();
        let (first, last) = (of_stranger[0], of_stranger[of_stranger.len() - 1]);
        assert_eq!(last.header("segmenter.attempts"), Some(attempts.to_string().as_str()));
        assert_eq!((&last.key, &last.value), (&first.key, &first.value));
        assert_eq!(last.header("__connect.errors.offset"), Some(offset.to_string().as_str()));
        for name in ["__connect.errors.topic", "__connect.errors.partition", "segmenter.timestamp", "source"] {
            assert!(first.header(name).is_some() && first.header(name) == last.header(name), "{name}");
            assert_eq!(last.headers.iter().filter(|(key, _)| key == name).count(), 1, "{name} occurs once");
        }
    }
    let dead_letters = scene.dead_letters().await;
    let (code, counts) = redrive(&scene, &["--all"]).await;
    assert_eq!((code, &counts["notRedrivable"]), (Some(4), &serde_json::json!({"attempts_exhausted": 2})));
    assert_eq!(scene.dead_letters().await, dead_letters, "the loop ends");

    scene.database.add_users(["stranger"]).await;
    let (code, counts) = redrive(&scene, &["--all", "--max-attempts", "4", "--reason", "unknown_user"]).await;
    assert_eq!((code, &counts["applied"]), (Some(0), &1.into()), "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_exceed_the_batch_size_only_together_are_not_truncated() {
    let mut scene = Scene::new(1).await;
    // Together in one batch they are too large for the topic; each alone is not.
    scene.dead = scene.kafka.create_topic("dead", 1, &[("max.message.bytes", "20000")]).await;
    let mut numbers = Numbers(99);
    for offset in 0..30 {
        let value: Vec<u8> = (0..3_000).map(|_| b'a' + u8::try_from(numbers.below(26)).unwrap()).collect();
        let dead_letter = dead_letter(&scene.onboarding, offset, Record::new("ann", value), "malformed", 1);
        scene.kafka.produce(&scene.dead, dead_letter).await;
    }
    let (code, counts) = redrive(&scene, &["--all"]).await;
    assert_eq!((code, &counts["items"]), (Some(4), &30.into()), "{counts}");
    let dead_letters = scene.dead_letters().await;
    let (old, new) = dead_letters.split_at(30);
    let values = |dead_letters: &[OwnedRecord]| {
        let mut values: Vec<Option<Vec<u8>>> =
            dead_letters.iter().map(|dead_letter| dead_letter.value.clone()).collect();
        values.sort();
        values
    };
    assert_eq!(values(old), values(new));
    for dead_letter in new {
        assert_eq!(
            (dead_letter.header("segmenter.attempts"), dead_letter.header("segmenter.sha256")),
            (Some("2"), None)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_redrive_finishes_and_publishes_its_current_batch() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann", "bob"]).await;
    let dead_letters = ["ann", "bob"].into_iter().zip(1..);
    let dead_letters =
        dead_letters.map(|(user, id)| dead_letter(&scene.onboarding, id, onboarding(user, 5), "unknown_user", 1));
    scene.kafka.produce_all(&scene.dead, dead_letters.collect::<Vec<_>>()).await;
    // The fold of the first waits for this lock.
    let mut lock = scene.database.pool().begin().await.unwrap();
    sqlx::query("select id from users where id = 'ann' for update").fetch_all(&mut *lock).await.unwrap();
    let mut environment = scene.environment();
    environment.push(("SEGMENTER_DATABASE_APPLICATION_NAME", "redriving"));
    // So each batch has one dead letter.
    let mut process = segmenter(&["dlq", "redrive", "--all", "--execute", "--rate", "1"], &environment);
    eventually(DEADLINE, "the fold to wait for the lock", || async {
        let waiting = "select count(*) from pg_stat_activity where application_name = 'redriving' \
                       and wait_event_type = 'Lock' and datname = current_database()";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(scene.database.pool()).await.unwrap() == 1
    })
    .await;
    process.terminate();
    process.wait_for_log("SIGTERM").await;
    lock.rollback().await.unwrap();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(130));
    let published = changes(&scene).await;
    assert_eq!(published.iter().map(OwnedRecord::key_text).collect::<Vec<_>>(), ["ann"]);
    assert_eq!(scene.outbox().await, 0);
}
