//! `--topic`: the last record of each user, compared with the last published change.

use serde_json::Value;

use super::{found, report};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Record, segmenter};

async fn verify(scene: &Scene, more: &[(&str, &str)]) -> (Option<i32>, Value) {
    let mut environment = scene.environment();
    environment.extend(more);
    report(&["--topic"], &environment).await
}

async fn revision(scene: &Scene, user: &str) -> String {
    let revision: i64 = sqlx::query_scalar("select revision from segmenter.profile_states where user_id = $1")
        .bind(user)
        .fetch_one(scene.database.pool())
        .await
        .unwrap();
    revision.to_string()
}

/// Eight users onboarded by the service; then one is deleted on the platform and one erased.
async fn settled() -> Scene {
    let scene = Scene::new(2).await;
    scene.add_users(8).await;
    let mut process = scene.serve();
    scene.produce(&history(8, 120, 5)).await;
    scene.settled().await;
    scene.kafka.produce(&scene.updates, Record::tombstone("user-5")).await;
    scene.database.run("delete from users where id = 'user-4'").await;
    scene.settled().await;
    process.terminate();
    process.wait(DEADLINE).await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settled_scene_has_no_findings_and_every_wrong_last_record_is_found_and_named() {
    let scene = settled().await;
    let (code, report) = verify(&scene, &[]).await;
    assert_eq!((code, found(&report)), (Some(0), Vec::new()), "{report}");
    assert_eq!((&report["counts"]["topic"]["users"], &report["counts"]["topic"]["inFlight"]), (&8.into(), &0.into()));

    let header = |user: &str, revision: &str| Record::new(user, "{}").header("segmenter.revision", revision);
    let own = |user| revision(&scene, user);
    let null = Record::tombstone("user-3").header("segmenter.revision", own("user-3").await);
    let wrong = [
        (header("user-0", "1"), "older-on-topic: user-0"),
        (header("user-1", "9000000000000000"), "newer-on-topic: user-1"),
        (Record::new("user-2", "{}"), "other-on-topic: user-2"),
        (null, "other-on-topic: user-3"),
        (header("user-4", "1"), "older-on-topic: user-4"),
        (header("stranger", "7"), "unknown-on-topic: stranger"),
    ];
    let mut expected: Vec<&str> = Vec::new();
    for (record, finding) in wrong {
        scene.kafka.produce(&scene.changes, record).await;
        expected.push(finding);
        let (code, report) = verify(&scene, &[]).await;
        let mut found = found(&report);
        found.sort();
        expected.sort_unstable();
        assert_eq!((code, found), (Some(4), expected.iter().map(|&one| one.to_owned()).collect()), "{report}");
    }

    // Republished, a user is right again; a record without a user is only counted; a tombstone of a stranger is no
    // finding.
    scene.kafka.produce(&scene.changes, header("user-0", &own("user-0").await)).await;
    scene.kafka.produce(&scene.changes, Record::without_key("{}")).await;
    scene.kafka.produce(&scene.changes, Record::tombstone("stranger").header("segmenter.revision", "8")).await;
    // A change in the outbox is in flight.
    scene.database.run("insert into segmenter.outbox (users) values ('{user-1,user-7}')").await;
    let (_, report) = verify(&scene, &[]).await;
    assert_eq!(found(&report), ["older-on-topic: user-4", "other-on-topic: user-2", "other-on-topic: user-3"]);
    let topic = &report["counts"]["topic"];
    assert_eq!((&topic["unreadable"], &topic["inFlight"]), (&1.into(), &1.into()), "user-7 agrees anyway");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_missing_on_the_topic_is_found_and_a_missing_topic_is_refused() {
    let scene = settled().await;
    let other = scene.kafka.create_topic("other", 3, &[]).await;
    let (code, report) = verify(&scene, &[("SEGMENTER_TOPICS_SEGMENT_CHANGED", &other)]).await;
    assert_eq!(code, Some(4));
    let finding = &report["findings"][0];
    assert_eq!((&finding["check"], &finding["count"]), (&"not-on-topic".into(), &8.into()), "{report}");

    let mut environment = scene.environment();
    environment.push(("SEGMENTER_TOPICS_SEGMENT_CHANGED", "no-such-topic"));
    let finished = segmenter(&["verify", "--topic"], &environment).finish(DEADLINE).await;
    assert!(finished.code == Some(3) && finished.log.contains("does not exist"), "{finished:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_running_service_are_not_findings() {
    let scene = Scene::new(2).await;
    scene.add_users(60).await;
    let process = scene.serve();
    process.http_address().await;
    for round in 0..3 {
        let events = history(60, 1500, 100 + round);
        let (_, (code, report)) = tokio::join!(scene.produce(&events), verify(&scene, &[]));
        assert_eq!((code, found(&report)), (Some(0), Vec::new()), "{report}");
    }
    scene.settled().await;
    let (code, report) = verify(&scene, &[]).await;
    assert_eq!((code, &report["counts"]["topic"]["inFlight"]), (Some(0), &0.into()), "{report}");
}
