//! `segmenter positions` shows both offsets of each partition, and forgets the positions of a group that is used no more.

use serde_json::Value;

use crate::docs_sql::{GRANTS, Role, statements};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Finished, Segmenter, eventually_some, segmenter};

/// Runs the command in the scene; the variables in `more` win.
async fn positions(scene: &Scene, arguments: &[&str], more: &[(&str, &str)]) -> Finished {
    let mut environment = scene.environment();
    environment.extend(more);
    let arguments: Vec<&str> = ["positions"].iter().chain(arguments).copied().collect();
    segmenter(&arguments, &environment).finish(DEADLINE).await
}

fn report(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// A scene whose records are read by a process.
async fn read_scene() -> (Scene, Segmenter) {
    let scene = Scene::new(2).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 60, 101)).await;
    let process = scene.serve();
    scene.settled().await;
    (scene, process)
}

async fn stop(mut process: Segmenter) {
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_has_a_line_with_both_offsets_beside_a_running_service_and_with_the_documented_rights() {
    let (scene, process) = read_scene().await;
    let role = Role::granted(&scene.database, &statements(GRANTS)).await;
    let url = format!("{}?options[role]={}", scene.database.url(), role.name);
    let finished = positions(&scene, &["--json"], &[("DATABASE_URL", &url)]).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let report = report(&finished);
    assert_eq!((report["group"].as_str(), report["members"].as_i64()), (Some(scene.group.as_str()), Some(1)));
    let lines = report["partitions"].as_array().unwrap();
    let mut places = Vec::new();
    for line in lines {
        let end = line["end"].as_i64().unwrap();
        assert_eq!(
            (&line["committed"], &line["position"], &line["lag"]),
            (&end.into(), &end.into(), &0.into()),
            "{line}"
        );
        assert_eq!((line["committedBy"].as_str(), &line["history"]), (Some("segmenter"), &report["serverStarted"]));
        assert_eq!(line["start"], format!("at {end}"));
        assert!(line["ageSeconds"].as_u64().unwrap() < 30, "{line}");
        places.push((line["topic"].as_str().unwrap(), line["partition"].as_i64().unwrap()));
    }
    let (onboarding, updates) = (scene.onboarding.as_str(), scene.updates.as_str());
    assert_eq!(places, [(onboarding, 0), (onboarding, 1), (updates, 0), (updates, 1)]);

    let table = positions(&scene, &[], &[]).await;
    assert_eq!((table.code, table.log.as_str()), (Some(0), ""));
    let is_line = |line: &&str| line.trim_start().starts_with(onboarding) || line.trim_start().starts_with(updates);
    assert_eq!(table.stdout.lines().filter(is_line).count(), 4, "{}", table.stdout);
    role.drop(&scene.database).await;
    stop(process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_would_be_refused_is_a_finding_and_reading_changes_nothing() {
    let (scene, process) = read_scene().await;
    stop(process).await;
    let rows = async || -> Vec<(i32, Option<i64>)> {
        let all = "select partition, next_offset from segmenter.positions order by topic_id, partition";
        sqlx::query_as(all).fetch_all(scene.database.pool()).await.unwrap()
    };
    let before = rows().await;
    assert_eq!(positions(&scene, &["--json"], &[]).await.code, Some(0));
    assert_eq!(rows().await, before);

    scene.database.run("delete from segmenter.positions").await;
    let refused = positions(&scene, &["--json"], &[]).await;
    assert_eq!(refused.code, Some(4), "{refused:?}");
    let start = report(&refused)["partitions"][0]["start"].as_str().unwrap().to_owned();
    assert!(start.starts_with("stops with exit code 3: the group has committed offset"), "{start}");
    assert_eq!(rows().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_an_unmigrated_schema_and_an_outage_have_their_exit_codes() {
    let scene = Scene::new(1).await;
    let unmigrated = crate::support::postgres().upstream_after_ia().await;
    for (name, value, code, text) in [
        ("SEGMENTER_TOPICS_PROFILE_UPDATED", "missing", 3, "the topic missing does not exist"),
        ("DATABASE_URL", unmigrated.url(), 3, "schema is missing"),
        ("DATABASE_URL", "postgres://role:hush@127.0.0.1:1/none", 75, ""),
        ("KAFKA_BROKERS", "127.0.0.1:1", 75, "Kafka is unavailable"),
    ] {
        let finished = positions(&scene, &[], &[(name, value)]).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(code), ""), "{name}={value}: {finished:?}");
        assert!(finished.log.contains(text) && !finished.log.contains("hush"), "{finished:?}");
    }
    assert_eq!(positions(&scene, &["forget", "--execute"], &[]).await.code, Some(2), "the group is not named");
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_of_a_group_are_forgotten_once_no_process_writes_them_and_other_groups_keep_theirs() {
    let (scene, process) = read_scene().await;
    let groups = async || -> Vec<String> {
        let all = "select distinct group_id from segmenter.positions order by 1";
        sqlx::query_scalar(all).fetch_all(scene.database.pool()).await.unwrap()
    };
    scene
        .database
        .run("insert into segmenter.positions (group_id, topic_id, partition) values ('other', gen_random_uuid(), 0)")
        .await;
    let forget = |more: &'static [&'static str]| {
        let arguments = [&["forget", "--group", &scene.group][..], more].concat();
        let scene = &scene;
        async move { positions(scene, &arguments, &[]).await }
    };
    let running = forget(&["--execute"]).await;
    assert_eq!(running.code, Some(3), "{running:?}");
    assert!(running.log.contains("is in use") && running.stdout.lines().count() == 5, "{running:?}");
    stop(process).await;
    assert_eq!(forget(&["--execute"]).await.code, Some(3), "within the last minute");

    scene.database.run("update segmenter.positions set written_at = written_at - interval '1 minute'").await;
    let dry = forget(&[]).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    let next = format!("Nothing was changed. Next: segmenter positions forget --group {} --execute", scene.group);
    assert!(dry.stdout.ends_with(&next), "{dry:?}");
    assert_eq!(groups().await, [scene.group.as_str(), "other"]);
    let done = forget(&["--execute"]).await;
    assert_eq!((done.code, done.stdout.lines().last()), (Some(0), Some("Deleted 4.")), "{done:?}");
    assert_eq!(groups().await, ["other"]);
    let none = forget(&["--execute"]).await;
    assert_eq!(none.code, Some(3), "{none:?}");
    assert!(none.log.contains("there are no positions of group"), "{none:?}");
    let shown = report(&positions(&scene, &["--json"], &[]).await);
    assert_eq!(shown["otherGroups"][0]["group"], "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_server_the_history_shown_is_the_new_one_within_seconds() {
    let server = crate::support::Postgres::dedicated().await;
    let mut scene = Scene::new(1).await;
    scene.database = server.upstream_after_ia().await;
    crate::world::migrate(&scene.database).await;
    let process = scene.serve();
    let histories = async || {
        let shown = report(&positions(&scene, &["--json"], &[]).await);
        let of = |number: usize| shown["partitions"][number]["history"].as_str().map(str::to_owned);
        (shown["serverStarted"].as_str().unwrap().to_owned(), [of(0), of(1)])
    };
    scene.read().await;
    let (first, _) = histories().await;
    server.stop_immediate();
    server.start();
    let (second, _) = eventually_some(DEADLINE, "both partitions have the new history", || async {
        let (started, of_partitions) = histories().await;
        of_partitions.iter().all(|history| history.as_ref() == Some(&started)).then_some((started, of_partitions))
    })
    .await;
    assert_ne!(first, second);
    stop(process).await;
}
