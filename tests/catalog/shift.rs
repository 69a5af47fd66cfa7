//! `recompute --execute` with a catalog that moves many users.

use uuid::Uuid;

use super::{by_group, filled, path, run_in};
use crate::scene::{DEADLINE, Scene};
use crate::support::{eventually, segmenter};

async fn jobs(scene: &Scene) -> i64 {
    sqlx::query_scalar("select count(*) from segmenter.jobs").fetch_one(scene.database.pool()).await.unwrap()
}

#[tokio::test]
async fn a_recompute_that_moves_more_users_than_allowed_is_refused_with_the_figure_until_it_is_accepted() {
    let scene = filled(60).await;
    let (before, candidate) = (jobs(&scene).await, by_group());
    let refused = run_in(&scene, Some(&candidate), &["recompute", "--execute"]).await;
    assert_eq!((refused.code, jobs(&scene).await), (Some(3), before), "{refused:?}");
    let simulate = ["catalog", "simulate", "--catalog", path(&candidate), "--json"];
    let simulated = super::json(&run_in(&scene, None, &simulate).await);
    let figure = format!("about {:.1} % of the users would move", simulated["movedPercent"].as_f64().unwrap());
    assert!(
        refused.log.contains(&figure) && refused.log.contains("segmenter catalog simulate"),
        "{figure} {refused:?}"
    );

    let dry_run = run_in(&scene, Some(&candidate), &["recompute"]).await;
    assert_eq!(dry_run.code, Some(0), "a dry run moves no user: {dry_run:?}");
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), "user-1\nuser-2\n").unwrap();
    let few = run_in(&scene, Some(&candidate), &["recompute", "--users-file", path(&list), "--execute"]).await;
    assert_eq!(few.code, Some(0), "two of sixty users are few: {few:?}");
    let accepted = run_in(&scene, Some(&candidate), &["recompute", "--execute", "--accept-shift"]).await;
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    let again = run_in(&scene, Some(&candidate), &["recompute", "--all", "--execute"]).await;
    assert_eq!(again.code, Some(0), "now no user moves: {again:?}");
}

#[tokio::test]
async fn the_setting_allows_a_greater_shift_and_a_resumed_job_needs_no_new_word() {
    let scene = filled(200).await;
    let candidate = by_group();
    let mut environment = scene.environment();
    environment.extend([("SEGMENTER_CATALOG_FILE", path(&candidate)), ("SEGMENTER_CATALOG_MAX_SHIFT", "100%")]);
    let id = Uuid::new_v4().to_string();
    let arguments = ["recompute", "--execute", "--rate", "50", "--id", id.as_str()];
    let mut job = segmenter(&arguments, &environment);
    eventually(DEADLINE, "the job runs", || async {
        sqlx::query_scalar::<_, bool>("select exists (select from segmenter.profile_states where catalog_version = 2)")
            .fetch_one(scene.database.pool())
            .await
            .unwrap()
    })
    .await;
    job.kill();
    job.wait(DEADLINE).await;
    let resumed = run_in(&scene, Some(&candidate), &["job", "resume", "--take-over", &id]).await;
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    let refused = run_in(&scene, None, &["recompute", "--accept-shift"]).await;
    assert_eq!(refused.code, Some(2), "a dry run accepts nothing: {refused:?}");
}
