//! `segmenter dlq`: dead letters are listed, shown and redriven, on a real broker and a real database.

mod dry_runs;
mod listing;
mod redriving;
mod refusals;

use serde_json::Value;

use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event};
use crate::support::{Finished, OwnedRecord, Record, segmenter};

/// A record time that is within retention and later than the times of the tests' events.
const PRODUCED: i64 = 1_780_000_000_000;

/// Runs `segmenter dlq` in the scene, to its end.
async fn dlq(scene: &Scene, arguments: &[&str]) -> Finished {
    let arguments: Vec<&str> = ["dlq"].iter().chain(arguments).copied().collect();
    segmenter(&arguments, &scene.environment()).finish(DEADLINE).await
}

/// Runs it with `--json`; returns the exit code, the lines, and the `summary` of the last line.
async fn dlq_json(scene: &Scene, arguments: &[&str]) -> (Option<i32>, Vec<Value>, Value) {
    let arguments: Vec<&str> = arguments.iter().chain(&["--json"]).copied().collect();
    let finished = dlq(scene, &arguments).await;
    let mut lines: Vec<Value> =
        finished.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    let summary = lines.pop().unwrap_or_else(|| panic!("no summary: {}", finished.log));
    (finished.code, lines, summary["summary"].clone())
}

/// Redrives with `--execute`; returns the exit code and the counts of the job's report.
async fn redrive(scene: &Scene, arguments: &[&str]) -> (Option<i32>, Value) {
    let arguments: Vec<&str> = ["redrive", "--execute", "--json"].iter().chain(arguments).copied().collect();
    let finished = dlq(scene, &arguments).await;
    let last = finished.stdout.lines().last().unwrap_or_else(|| panic!("no report: {}", finished.log));
    let last: Value = serde_json::from_str(last).expect("a JSON object a line");
    (finished.code, last["end"]["counts"].clone())
}

/// A dead letter as the service writes it, of the record at `offset` of partition 0 of `topic`.
pub fn dead_letter(topic: &str, offset: i64, record: Record, reason: &str, attempts: u32) -> Record {
    record
        .header("__connect.errors.topic", topic)
        .header("__connect.errors.partition", "0")
        .header("__connect.errors.offset", offset.to_string())
        .header("__connect.errors.stage", "TASK_PUT")
        .header("__connect.errors.class.name", format!("segmenter.{reason}"))
        .header("__connect.errors.exception.message", "there is no such row in users")
        .header("segmenter.reason", reason)
        .header("segmenter.attempts", attempts.to_string())
        .header("segmenter.failed-at", "2026-06-01T10:00:00.000Z")
        .header("segmenter.timestamp", PRODUCED.to_string())
}

/// An onboarding of `user`; the same id gives the same event.
pub fn onboarding(user: &str, id: u64) -> Record {
    crate::scene::record(user, &onboarding_event(user, id, &mut Numbers(id)))
}

/// The same, completed at `at`.
fn onboarding_at(user: &str, id: u64, at: &str) -> Record {
    let mut event = onboarding_event(user, id, &mut Numbers(id));
    event["payload"]["completedAt"] = at.into();
    crate::scene::record(user, &event)
}

/// Runs the live service until it has read all records and published all changes, and stops it.
async fn serve_until_settled(scene: &Scene) {
    let mut process = scene.serve();
    scene.settled().await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}

/// The end offsets of both input topics.
async fn input_ends(scene: &Scene) -> [Vec<i64>; 2] {
    [scene.kafka.end_offsets(&scene.onboarding).await, scene.kafka.end_offsets(&scene.updates).await]
}

async fn changes(scene: &Scene) -> Vec<OwnedRecord> {
    scene.kafka.read_all(&scene.changes).await
}

/// All rows of schema `segmenter` and of `user_vectors`, as text.
async fn tables(scene: &Scene) -> Vec<String> {
    let mut rows = Vec::new();
    for table in ["segmenter.profile_states", "segmenter.outbox", "segmenter.deleted_users", "public.user_vectors"] {
        let select = format!("select t::text from {table} t order by 1");
        let of_table: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(select)).fetch_all(scene.database.pool()).await.unwrap();
        rows.extend(of_table);
    }
    rows
}
