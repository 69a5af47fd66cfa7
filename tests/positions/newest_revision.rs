//! Revisions that only segment-changed knows: the process that minted them has died, and its commits are lost.

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Record, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_range_publishes_above_the_newest_revisions_of_the_topic_whoever_minted_them() {
    let scene = Scene::new(1).await;
    scene.add_users(10).await;
    scene.produce(&history(10, 60, 131)).await;
    let mut process = scene.serve();
    scene.settled().await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));

    let lost: i64 = 1 + sqlx::query_scalar::<_, i64>("select max(revision) + 3600000 from segmenter.profile_states")
        .fetch_one(scene.database.pool())
        .await
        .unwrap();
    scene
        .kafka
        .produce(&scene.changes, Record::new("user-0", "{}").header("segmenter.revision", lost.to_string()))
        .await;
    // Another server, which lacks the last commits.
    scene.database.run("update segmenter.positions set next_offset = 0, history = 1").await;
    let _next = scene.serve();
    eventually(DEADLINE, "every published user is above the lost revision", || async {
        let lowest = "select min(revision) > $1 from segmenter.profile_states where published > 0";
        sqlx::query_scalar(lowest).bind(lost).fetch_one(scene.database.pool()).await.unwrap()
    })
    .await;
    scene.settled().await;
    let last = scene.kafka.read_all(&scene.changes).await;
    let of_user = |record: &&crate::support::OwnedRecord| record.key.as_deref() == Some(b"user-0".as_slice());
    let last = last.iter().rfind(of_user).unwrap().header("segmenter.revision").unwrap().parse::<i64>().unwrap();
    assert!(last > lost, "{last} after {lost}");
}
