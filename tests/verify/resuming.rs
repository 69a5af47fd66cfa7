//! An interrupted verification, and its progress.

use serde_json::Value;
use sqlx::Connection as _;

use super::{found, verify};
use crate::scene::DEADLINE;
use crate::support::{Database, eventually, frames, on_a_terminal, segmenter};
use crate::world::migrated_database;

const USERS: u64 = 12_000;

/// Users with completed profiles and without segments, a finding each.
async fn without_segments() -> Database {
    let database = migrated_database().await;
    database
        .run(format!(
            r#"insert into users (id, email, "updatedAt") select 'u' || i, 'e' || i, now() from generate_series(1, {USERS}) i;
               insert into travel_onboarding_profiles (id, "userId", "isCompleted", "updatedAt")
               select id, id, true, now() from users"#
        ))
        .await;
    database
}

fn missing(report: &Value) -> u64 {
    report["findings"][0]["count"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_reports_its_findings_so_far_and_the_command_that_checks_the_rest() {
    let database = without_segments().await;
    let mut blocker = sqlx::PgConnection::connect(database.url()).await.unwrap();
    sqlx::raw_sql("begin; lock table travel_onboarding_profiles in access exclusive mode")
        .execute(&mut blocker)
        .await
        .unwrap();
    let running = segmenter(&["verify", "--json"], &[("DATABASE_URL", database.url())]);
    eventually(DEADLINE, "the page of profiles to wait for the lock", || async {
        let waiting = "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')";
        sqlx::query_scalar(waiting).fetch_one(database.pool()).await.unwrap()
    })
    .await;
    running.terminate();
    running.wait_for_log("SIGTERM").await;
    sqlx::raw_sql("rollback").execute(&mut blocker).await.unwrap();
    let interrupted = running.finish(DEADLINE).await;
    assert_eq!(interrupted.code, Some(130), "{interrupted:?}");
    let first: Value = serde_json::from_str(&interrupted.stdout).unwrap();
    assert_eq!((missing(&first), found(&first).len()), (5_000, 10));

    let place = first["next"].as_str().unwrap().strip_prefix("segmenter verify --json --after ").unwrap();
    assert!(place.starts_with("profiles:u"), "{place}");
    let (code, rest) = verify(&database, &["--after", place]).await;
    assert_eq!((code, missing(&rest), rest.get("next")), (Some(4), USERS - 5_000, None));
    let (code, whole) = verify(&database, &["--limit", "3"]).await;
    assert_eq!((code, missing(&whole), found(&whole).len()), (Some(4), USERS, 3));
    assert_eq!(whole["findings"][0]["command"], "segmenter backfill --execute");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_walk_shows_its_progress_on_a_terminal() {
    let database = without_segments().await;
    database.run("analyze travel_onboarding_profiles").await;
    let ran = on_a_terminal(&["verify"], &[("DATABASE_URL", database.url())]).await;
    let shown = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(4), "{shown}");
    let frames = frames(&shown, "verify");
    for walk in ["profiles: 5000 of about 12000", "profiles: 12000 of about 12000"] {
        assert!(frames.iter().any(|frame| frame.contains(walk)), "{walk}: {frames:?}");
    }
}
