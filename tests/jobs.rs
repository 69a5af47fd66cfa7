//! Jobs: replay, backfill, recompute, republish and redrive, on a real broker and a real database, by the real binary.

mod audit;
mod backfill;
mod controlling;
mod deferred;
mod filling;
mod going_back;
mod interrupting;
mod lists;
mod planning;
mod profiles;
mod progress;
mod recompute;
mod redrive;
mod repeating;
mod replaying;
mod republish;
mod rescoring;
mod rights;
mod topic_ahead;

use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use crate::scene::{DEADLINE, Scene};
use crate::support::{Finished, OwnedRecord, Segmenter, segmenter};
use crate::world::migrated_database;

/// Starts the binary in the scene.
fn begin(scene: &Scene, arguments: &[&str]) -> Segmenter {
    segmenter(arguments, &scene.environment())
}

/// Runs the binary in the scene, to its end.
async fn run(scene: &Scene, arguments: &[&str]) -> Finished {
    begin(scene, arguments).finish(DEADLINE).await
}

/// Runs it with `--json`; returns the exit code and the lines.
async fn run_json(scene: &Scene, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let arguments: Vec<&str> = arguments.iter().chain(&["--json"]).copied().collect();
    let finished = run(scene, &arguments).await;
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
    (finished.code, finished.stdout.lines().map(line).collect())
}

/// The member `name` of the first line that has it.
fn member<'l>(lines: &'l [Value], name: &str) -> &'l Value {
    lines.iter().find_map(|line| line.get(name)).unwrap_or_else(|| panic!("no {name} in {lines:?}"))
}

/// Runs the live service until it has read all records and published all changes, and stops it.
async fn serve_until_settled(scene: &Scene) {
    let mut process = scene.serve();
    scene.settled().await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}

/// The same input topics with an empty database and another output topic, as for a rebuild.
async fn rebuilt(scene: &Scene, users: u64) -> Scene {
    let changes = scene.kafka.create_topic("changes", 2, &[]).await;
    let rebuilt = Scene {
        database: migrated_database().await,
        kafka: scene.kafka,
        onboarding: scene.onboarding.clone(),
        updates: scene.updates.clone(),
        changes,
        dead: scene.dead.clone(),
        group: format!("rebuilt-{}", scene.group),
    };
    rebuilt.add_users(users).await;
    rebuilt
}

/// All rows of schema `segmenter`, `user_vectors` and `users`, with the place and the transactions of their last
/// version.
async fn versions(scene: &Scene) -> Vec<String> {
    let mut rows = Vec::new();
    let tables = [
        "segmenter.profile_states",
        "segmenter.outbox",
        "segmenter.deleted_users",
        "public.user_vectors",
        "public.users",
    ];
    for table in tables {
        let select = format!("select concat_ws(' ', ctid, xmin, xmax, t::text) from {table} t order by 1");
        let of_table: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(select)).fetch_all(scene.database.pool()).await.unwrap();
        rows.extend(of_table);
    }
    rows
}

/// The number of processed items of the job, by its checkpoints.
async fn items(scene: &Scene, id: Uuid) -> i64 {
    sqlx::query("select coalesce(sum((counts->>'items')::bigint), 0)::bigint as items from segmenter.job_parts where job_id = $1 and part <> 'publishing'")
        .bind(id)
        .fetch_one(scene.database.pool())
        .await
        .unwrap()
        .get("items")
}

/// An expression on the job's row, as text.
async fn column(scene: &Scene, id: Uuid, expression: &str) -> Option<String> {
    let select = format!("select ({expression})::text from segmenter.jobs where id = $1");
    sqlx::query_scalar(sqlx::AssertSqlSafe(select))
        .bind(id)
        .fetch_optional(scene.database.pool())
        .await
        .unwrap()
        .flatten()
}

async fn changes(scene: &Scene) -> Vec<OwnedRecord> {
    scene.kafka.read_all(&scene.changes).await
}
