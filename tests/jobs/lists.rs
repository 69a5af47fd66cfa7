//! Jobs with an invalid list of users.

use super::run;
use crate::scene::Scene;

#[tokio::test]
async fn an_invalid_list_of_users_is_a_usage_error_that_names_each_line_by_its_number_only() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let list = file.path().to_str().unwrap();
    std::fs::write(&file, format!("user-0\nhush\0hush\n\n{}\n", "hush".repeat(48))).unwrap();
    let jobs: [&[&str]; 3] = [&["backfill"], &["recompute"], &["republish"]];
    for job in jobs {
        for execute in [&[][..], &["--execute"]] {
            let refused = run(&scene, &[job, execute, &["--users-file", list]].concat()).await;
            assert_eq!(refused.code, Some(2), "{job:?}: {}", refused.log);
            assert!(refused.log.contains(list) && refused.log.contains("line 2") && refused.log.contains("line 4"));
            assert!(!refused.log.contains("hush"), "{}", refused.log);
            let missing = run(&scene, &[job, execute, &["--users-file", "no-such-file"]].concat()).await;
            assert_eq!(missing.code, Some(2), "{job:?}: {}", missing.log);
            assert!(missing.log.contains("no-such-file cannot be used: No such file"), "{}", missing.log);
        }
    }
    let jobs: i64 =
        sqlx::query_scalar("select count(*) from segmenter.jobs").fetch_one(scene.database.pool()).await.unwrap();
    assert_eq!(jobs, 0);
}
