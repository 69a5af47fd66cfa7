//! A role with the documented grants can run jobs, and needs each of the grants.

use super::backfill::{BROKEN, add_profile};
use crate::docs_sql::{GRANTS, GRANTS_FOR_JOBS, Role, statements};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Finished, segmenter};

/// Runs a replay, a backfill of a list with a broken profile, and lists both acts; returns the first that fails, else the backfill.
async fn work_as(scene: &Scene, role: &Role, list: &str) -> Finished {
    let replay = &["replay", "--from", "earliest", "--execute", "--user", "user-1"][..];
    let backfill = &["backfill", "--users-file", list, "--execute"];
    let replayed = run_as(scene, role, replay).await;
    if replayed.code != Some(0) {
        return replayed;
    }
    let backfilled = run_as(scene, role, backfill).await;
    let listed = run_as(scene, role, &["job", "history"]).await;
    if listed.code == Some(0) { backfilled } else { listed }
}

async fn run_as(scene: &Scene, role: &Role, arguments: &[&str]) -> Finished {
    let url = format!("{}?options[role]={}", scene.database.url(), role.name);
    let mut environment = scene.environment();
    environment.push(("DATABASE_URL", &url));
    segmenter(arguments, &environment).finish(DEADLINE).await
}

#[tokio::test]
async fn a_role_with_the_grants_for_jobs_replays_and_without_any_of_them_does_not() {
    let scene = Scene::new(1).await;
    scene.add_users(3).await;
    scene.produce(&history(3, 20, 51)).await;
    add_profile(&scene, "user-2", BROKEN).await;
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("users");
    std::fs::write(&list, "user-2\n").unwrap();
    let list = list.to_str().unwrap();
    let (to_serve, for_jobs) = (statements(GRANTS), statements(GRANTS_FOR_JOBS));
    for left_out in 0..for_jobs.len() {
        let mut grants = [to_serve.clone(), for_jobs.clone()].concat();
        let without = grants.remove(to_serve.len() + left_out);
        let role = Role::granted(&scene.database, &grants).await;
        let finished = work_as(&scene, &role, list).await;
        assert!(finished.code != Some(4) && finished.log.contains("permission denied"), "{without}: {finished:?}");
        role.drop(&scene.database).await;
    }
    let role = Role::granted(&scene.database, &[to_serve, for_jobs].concat()).await;
    let finished = work_as(&scene, &role, list).await;
    assert_eq!(finished.code, Some(4), "the broken profile is reported: {finished:?}");
    role.drop(&scene.database).await;
}
