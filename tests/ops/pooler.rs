//! Behind PgBouncer in transaction mode: no transaction gets the server session of the one before it.

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{PgBouncer, Postgres, Segmenter, eventually_some, segmenter};
use crate::world::migrate;

/// The environment of a process that reaches the scene's database through the pooler.
fn pooled<'a>(scene: &'a Scene, pooler: &'a PgBouncer) -> Vec<(&'a str, &'a str)> {
    let mut environment = scene.environment();
    environment.retain(|(name, _)| *name != "DATABASE_URL");
    environment.extend([("DATABASE_URL", pooler.url()), ("SEGMENTER_DATABASE_POOLED", "true")]);
    environment
}

#[tokio::test]
async fn two_services_and_a_replay_share_two_sessions_and_every_promise_holds() {
    let scene = Scene::new(4).await;
    scene.add_users(40).await;
    let pooler = PgBouncer::before(scene.database.url(), 2).await;
    let environment = pooled(&scene, &pooler);
    let mut services: Vec<Segmenter> = (0..2).map(|_| segmenter(&["serve"], &environment)).collect();
    let history = history(40, 1500, 61);
    let (before, after) = history.split_at(800);
    scene.produce(before).await;
    scene.read().await;
    let replay = segmenter(&["replay", "--from", "earliest", "--execute"], &environment);
    scene.produce(after).await;
    let finished = replay.finish(DEADLINE).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    scene.settled().await;
    scene.assert_right().await;
    for service in &mut services {
        service.terminate();
        assert_eq!(service.wait(DEADLINE).await.code(), Some(0));
        assert!(!service.log().iter().any(|line| line.contains("prepared statement")), "{:?}", service.log());
    }
    for arguments in [
        &["verify", "--deep", "all", "--topic"][..],
        &["user", "show", "user-1"],
        &["job", "list"],
        &["dlq", "redrive", "--all"],
        &["positions"],
    ] {
        let finished = segmenter(arguments, &environment).finish(DEADLINE).await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.log);
    }
}

#[tokio::test]
async fn another_start_of_the_server_is_noticed_behind_a_pooler_too_and_the_positions_follow() {
    let server = Postgres::dedicated().await;
    let mut scene = Scene::new(2).await;
    scene.database = server.upstream_after_ia().await;
    migrate(&scene.database).await;
    scene.add_users(40).await;
    let pooler = PgBouncer::before(scene.database.url(), 2).await;
    let environment = pooled(&scene, &pooler);
    let mut service = segmenter(&["serve"], &environment);
    scene.produce(&history(40, 200, 63)).await;
    scene.settled().await;
    let (first, _) = histories(&scene).await;
    scene.produce(&history(40, 1_000, 64)).await;
    server.stop_immediate();
    server.start();
    scene.settled().await;
    scene.assert_right().await;
    let (second, stored) = eventually_some(DEADLINE, "every position has the new history", || async {
        let (present, stored) = histories(&scene).await;
        stored.iter().all(|history| *history == present).then_some((present, stored))
    })
    .await;
    assert!(first != second && stored.len() == 4, "{first} {second} {stored:?}");
    service.terminate();
    assert_eq!(service.wait(DEADLINE).await.code(), Some(0));
}

/// The present start of the server, and that of each stored position, in µs.
async fn histories(scene: &Scene) -> (i64, Vec<i64>) {
    let both = "select floor(extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint,
                       (select array_agg(history) from segmenter.positions)";
    sqlx::query_as(both).fetch_one(scene.database.pool()).await.unwrap()
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_behind_a_pooler_too() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let slow = "create function slow() returns trigger language plpgsql as
                    $$ begin perform pg_sleep(600); return null; end $$;
                create trigger slow before insert on user_vectors for each statement execute function slow()";
    scene.database.run(slow).await;
    let remove = async || scene.database.run("drop trigger slow on user_vectors").await;
    let reason = reason_of_waiting(&scene, "the database does not take writes", remove).await;
    assert!(reason.contains("57014") || reason.contains("did not answer"), "{reason}");
}

#[tokio::test]
async fn a_lock_held_by_another_session_is_waited_for_in_short_turns_behind_a_pooler_too() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let mut blocker = scene.database.pool().begin().await.unwrap();
    sqlx::query("lock table user_vectors in access exclusive mode").execute(&mut *blocker).await.unwrap();
    let remove = async || blocker.rollback().await.unwrap();
    let reason = reason_of_waiting(&scene, "wait for another session that locks their rows", remove).await;
    assert!(reason.contains("55P03"), "{reason}");
}

/// The reason that a service behind a pooler logs while a write fails; the write succeeds once the obstacle is removed.
async fn reason_of_waiting(scene: &Scene, line: &str, remove: impl AsyncFnOnce()) -> String {
    let pooler = PgBouncer::before(scene.database.url(), 2).await;
    let mut environment = pooled(scene, &pooler);
    environment.push(("SEGMENTER_DATABASE_STATEMENT_TIMEOUT", "1s"));
    let mut service = segmenter(&["serve"], &environment);
    scene.produce(&history(1, 5, 62)).await;
    let reason = service.wait_for_log(line).await;
    remove().await;
    scene.settled().await;
    scene.assert_right().await;
    service.terminate();
    service.wait(DEADLINE).await;
    reason
}

#[tokio::test]
async fn migrating_through_a_pooler_is_refused_as_a_setting() {
    let scene = Scene::new(1).await;
    let mut environment = scene.environment();
    environment.extend([("SEGMENTER_DATABASE_POOLED", "true"), ("SEGMENTER_DATABASE_MIGRATE", "true")]);
    let finished = segmenter(&["serve"], &environment).finish(DEADLINE).await;
    assert_eq!(finished.code, Some(2), "{}", finished.log);
    assert!(
        finished.log.contains("database.migrate") && finished.log.contains("session of their own"),
        "{}",
        finished.log
    );
}
