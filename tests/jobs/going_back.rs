//! The database goes back in time under a running job: a failover or a restore has lost its last commits.

use uuid::Uuid;

use super::{begin, column, items, run};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::eventually;

/// Every table that a job writes.
const TABLES: [&str; 6] = [
    "segmenter.jobs",
    "segmenter.job_parts",
    "segmenter.profile_states",
    "segmenter.deleted_users",
    "segmenter.outbox",
    "public.user_vectors",
];

/// Keeps a copy of the tables, of one moment.
async fn back_up(scene: &Scene) {
    let copies = TABLES.map(|table| format!("create table copies.{} as table {table};", table.replace('.', "_")));
    let copied = format!("begin isolation level repeatable read; create schema copies; {} commit", copies.concat());
    scene.database.run(copied).await;
}

/// Sets the tables back to the copy, as a failover to a server that lacks the commits since.
async fn go_back(scene: &Scene) {
    let restored = TABLES.map(|table| {
        let of_identity = if table == "segmenter.outbox" { "overriding system value" } else { "" };
        let copy = table.replace('.', "_");
        format!("delete from {table}; insert into {table} {of_identity} select * from copies.{copy};")
    });
    let restored = format!(
        "begin; set local session_replication_role = replica; lock table {} in access exclusive mode; {} commit",
        TABLES.join(", "),
        restored.concat()
    );
    scene.database.run(restored).await;
}

async fn replay(rate: &str) -> (Scene, i64, Uuid, crate::support::Segmenter) {
    let scene = Scene::new(2).await;
    scene.add_users(50).await;
    let history = history(50, 900, 181);
    scene.produce(&history).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let job = begin(&scene, &["replay", "--from", "earliest", "--execute", "--rate", rate, "--id", &name]);
    (scene, i64::try_from(history.len()).unwrap(), id, job)
}

/// The rows are right, each record is counted once, and after the publishing of the rest so are the records of the topic.
async fn assert_right(scene: &Scene, id: Uuid, records: i64) {
    assert_eq!(items(scene, id).await, records, "each record counts once");
    assert_eq!(column(scene, id, "phase").await.as_deref(), Some("done"));
    scene.expire_leases().await;
    let mut live = scene.serve();
    scene.settled().await;
    scene.assert_right().await;
    live.terminate();
    live.wait(DEADLINE).await;
}

const REPORTED: &str = "the database has lost commits of the job";

#[tokio::test]
async fn a_running_replay_goes_on_from_the_checkpoint_that_is_left() {
    let (scene, records, id, mut job) = replay("200").await;
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 100 }).await;
    back_up(&scene).await;
    let before = items(&scene, id).await;
    eventually(DEADLINE, "more progress", || async { items(&scene, id).await > before + 100 }).await;
    go_back(&scene).await;
    job.wait_for_log(REPORTED).await;
    assert_eq!(run(&scene, &["job", "throttle", &id.to_string()]).await.code, Some(0));
    assert_eq!(job.wait(DEADLINE).await.code(), Some(0), "{:?}", job.log());
    assert_right(&scene, id, records).await;
}

#[tokio::test]
async fn a_replay_that_publishes_goes_back_to_its_work_where_that_was_lost() {
    let (scene, records, id, mut job) = replay("300").await;
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 100 }).await;
    back_up(&scene).await;
    let phase = async || column(&scene, id, "phase").await.as_deref() == Some("publish");
    eventually(DEADLINE, "the publishing phase", phase).await;
    go_back(&scene).await;
    job.wait_for_log(REPORTED).await;
    assert_eq!(run(&scene, &["job", "throttle", &id.to_string()]).await.code, Some(0));
    assert_eq!(job.wait(DEADLINE).await.code(), Some(0), "{:?}", job.log());
    assert_right(&scene, id, records).await;
}
