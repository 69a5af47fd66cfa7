//! A role with the documented grants runs jobs, and each of them is needed.

use crate::docs_sql::{GRANTS, GRANTS_FOR_JOBS, Role, statements};
use crate::scene::{PATIENCE, Scene, history};
use crate::support::{Finished, segmenter};

async fn replay_as(scene: &Scene, role: &Role) -> Finished {
    let url = format!("{}?options[role]={}", scene.database.url(), role.name);
    let mut environment = scene.environment();
    environment.push(("DATABASE_URL", &url));
    segmenter(&["replay", "start", "--from", "earliest", "--execute", "--user", "user-1"], &environment)
        .finish(PATIENCE)
        .await
}

#[tokio::test]
async fn a_role_with_the_grants_for_jobs_replays_and_without_any_of_them_does_not() {
    let scene = Scene::new(1).await;
    scene.add_users(3).await;
    scene.produce(&history(3, 20, 51)).await;
    let (to_serve, for_jobs) = (statements(GRANTS), statements(GRANTS_FOR_JOBS));
    for left_out in (0..for_jobs.len()).filter(|index| !for_jobs[*index].contains("job_users")) {
        let mut grants = [to_serve.clone(), for_jobs.clone()].concat();
        let without = grants.remove(to_serve.len() + left_out);
        let role = Role::granted(&scene.database, &grants).await;
        let finished = replay_as(&scene, &role).await;
        assert!(finished.code != Some(0) && finished.log.contains("permission denied"), "{without}: {finished:?}");
        role.drop(&scene.database).await;
    }
    let role = Role::granted(&scene.database, &[to_serve, for_jobs].concat()).await;
    let finished = replay_as(&scene, &role).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    role.drop(&scene.database).await;
}
