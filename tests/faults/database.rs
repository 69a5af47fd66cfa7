//! Connections to the database break, and its rows are locked by other sessions.

use crate::scene::DEADLINE;
use crate::scene::{Numbers, Scene, history, onboarding_event, record, update_event};
use crate::support::{Cut, Proxy, eventually, http_get};
use crate::world::{oracle, table};

/// Cuts three connections at their COMMIT.
async fn cut_at_the_commit(cut: Cut) {
    let scene = Scene::new(1).await;
    scene.add_users(30).await;
    let proxy = Proxy::to(scene.database.url());
    let process = scene.serve_with(&[("DATABASE_URL", proxy.url())]);
    process.wait_for_log("partitions assigned").await;
    proxy.cut_next(cut, 3);
    scene.produce(&history(30, 200, 31)).await;
    eventually(DEADLINE, "three connections are cut", || async { proxy.cuts_to_come() == 0 }).await;
    scene.produce(&history(30, 200, 32)).await;
    scene.read().await;
    // The outbox holds rows whose writer does not know that they are committed.
    scene.expire_leases().await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_before_a_commit_arrives_loses_nothing() {
    cut_at_the_commit(Cut::BeforeCommit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_has_exactly_one_effect() {
    cut_at_the_commit(Cut::AfterCommit).await;
}

/// The users whose row is not yet the one after all records of the topics.
async fn behind(scene: &Scene) -> Vec<String> {
    let events = scene.accepted().await;
    let found = table(scene.database.pool()).await;
    oracle(&events).into_iter().filter(|(user, row)| found.get(user) != Some(row)).map(|(user, _)| user).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_row_another_session_locks_waits_alone_and_the_others_go_on_and_are_published() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    let mut numbers = Numbers(171);
    let names: Vec<String> = (0..20).map(|number| format!("user-{number}")).collect();
    let onboardings = names.iter().zip(0..).map(|(name, id)| record(name, &onboarding_event(name, id, &mut numbers)));
    scene.kafka.produce_all(&scene.onboarding, onboardings.collect::<Vec<_>>()).await;
    // One connection is one worker, so all users share it.
    let mut process =
        scene.serve_with(&[("SEGMENTER_DATABASE_CONNECTIONS", "1"), ("SEGMENTER_KAFKA_DRAIN_DEADLINE", "2s")]);
    scene.settled().await;

    let mut locking = scene.database.pool().begin().await.unwrap();
    sqlx::query(r#"select from user_vectors where "userId" in ('user-3', 'user-11') for update"#)
        .execute(&mut *locking)
        .await
        .unwrap();
    for round in 0..5 {
        let mut updates = Vec::new();
        for (name, id) in names.iter().zip(round * 100 + 100..) {
            let mut event = update_event(name, id, &mut numbers);
            // Every user's row changes in every round.
            event["timestamp"] = format!("2026-03-01T12:{round:02}:00.000Z").into();
            event["payload"]["updatedAt"] = event["timestamp"].clone();
            updates.push(record(name, &event));
        }
        scene.kafka.produce_all(&scene.updates, updates).await;
        let are_right = async || behind(&scene).await == ["user-11", "user-3"] && scene.outbox().await == 0;
        eventually(DEADLINE, "the rows of the others are right, and their changes are published", are_right).await;
    }
    process.wait_for_log("events of some users wait for another session that locks their rows").await;
    locking.commit().await.unwrap();
    scene.settled().await;
    process.wait_for_log("no user waits for a lock any more").await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());

    // Shutdown does not wait for a lock for longer than for a drain.
    let mut locking = scene.database.pool().begin().await.unwrap();
    sqlx::query("select from user_vectors for update").execute(&mut *locking).await.unwrap();
    scene.produce(&history(20, 20, 172)).await;
    let waits = async || process.log().iter().filter(|line| line.contains("wait for another session")).count() == 2;
    eventually(DEADLINE, "users wait for a lock again", waits).await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violated_constraint_of_our_own_schema_is_an_outage_that_is_named_and_refuses_no_record() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    // The identity column gives a value that is taken, as after a failover that did not bring the sequences along.
    let taken = "insert into segmenter.outbox (owner, leased_until, users)
                 select gen_random_uuid(), now() + interval '1 hour', '{}' from generate_series(1, 1000);
                 alter sequence segmenter.outbox_id_seq restart";
    scene.database.run(taken).await;
    let process = scene.serve();
    scene.produce(&history(20, 100, 173)).await;
    let address = process.http_address().await;
    eventually(DEADLINE, "the process is not ready and names the constraint", || async {
        let ready = http_get(address, "/health/ready").await;
        let named = ["database writes", "23505", "segmenter.outbox", "outbox_pkey"];
        ready.status == 503 && named.iter().all(|name| ready.body.contains(name))
    })
    .await;
    assert!(scene.dead_letters().await.is_empty());
    scene.database.run("delete from segmenter.outbox where users = '{}'").await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
}
