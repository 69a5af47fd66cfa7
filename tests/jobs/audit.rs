//! Acts of operators are recorded, and jobs that ended long ago are deleted.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{column, run, run_json};
use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Finished, Segmenter, eventually, segmenter};

fn begin_as_ann(scene: &Scene, arguments: &[&str]) -> Segmenter {
    segmenter(&[&["--operator", "ann"], arguments].concat(), &scene.environment())
}

async fn as_ann(scene: &Scene, arguments: &[&str]) -> Finished {
    begin_as_ann(scene, arguments).finish(DEADLINE).await
}

/// The recorded acts, the oldest first.
async fn acts(scene: &Scene) -> Vec<Value> {
    let (code, lines) = run_json(scene, &["job", "history"]).await;
    assert_eq!(code, Some(0));
    let mut acts = lines[0].as_array().unwrap().clone();
    acts.reverse();
    acts
}

async fn scene_with_history() -> Scene {
    let scene = Scene::new(1).await;
    scene.add_users(3).await;
    scene.produce(&history(3, 60, 61)).await;
    scene
}

async fn text(scene: &Scene, select: &'static str) -> String {
    sqlx::query_scalar(select).fetch_one(scene.database.pool()).await.unwrap()
}

#[tokio::test]
async fn each_act_is_recorded_with_role_name_host_and_arguments_but_no_users_id() {
    let scene = scene_with_history().await;
    for dry in [&["replay", "--from", "earliest"][..], &["user", "erase", "user-2"], &["dlq", "redrive", "--all"]] {
        assert_eq!(as_ann(&scene, dry).await.code, Some(0), "{dry:?}");
    }
    assert_eq!(acts(&scene).await, [Value::Null; 0], "a dry run is no act");

    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    let ids = [first, second].map(|id| id.to_string());
    let replay = ["replay", "--from", "earliest", "--execute", "--id"];
    assert_eq!(as_ann(&scene, &[&replay[..], &[&ids[0], "--user", "user-1"]].concat()).await.code, Some(0));
    let job = begin_as_ann(&scene, &[&replay[..], &[&ids[1], "--rate", "1"]].concat());
    eventually(DEADLINE, "the job", || async { column(&scene, second, "owner").await.is_some() }).await;
    for act in ["pause", "throttle", "resume", "cancel"] {
        assert_eq!(as_ann(&scene, &["job", act, &ids[1]]).await.code, Some(0), "{act}");
    }
    assert_eq!(job.finish(DEADLINE).await.code, Some(0));
    assert_eq!(as_ann(&scene, &["user", "erase", "user-2", "--execute"]).await.code, Some(0));
    let redriven = as_ann(&scene, &["dlq", "redrive", "--user", "user-2", "--max-attempts", "4", "--execute"]).await;
    assert_eq!(redriven.code, Some(0), "{redriven:?}");
    scene
        .database
        .run("insert into segmenter.positions (group_id, topic_id, partition, written_at) values ('old', gen_random_uuid(), 0, now() - interval '1 day')")
        .await;
    assert_eq!(as_ann(&scene, &["positions", "forget", "--group", "old", "--execute"]).await.code, Some(0));

    let acts = acts(&scene).await;
    let names: Vec<&str> = acts.iter().map(|act| act["act"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["start", "start", "pause", "throttle", "resume", "cancel", "erase", "start", "forget positions"]
    );
    let role = text(&scene, "select session_user::text").await;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for act in &acts {
        assert_eq!((&act["role"], &act["operator"], &act["host"]), (&json!(role), &json!("ann"), &json!(host.trim())));
        assert!(!act.to_string().contains("user-1") && !act.to_string().contains("user-2"), "{act}");
    }
    let hash = text(&scene, "select encode(sha256('user-2'), 'hex')").await;
    assert_eq!(acts[6]["arguments"], json!({"user": hash, "toTopics": false}));
    let redrive = &acts[7]["arguments"]["what"]["redrive"];
    assert_eq!((&redrive["filter"]["user"], &redrive["maxAttempts"]), (&json!(hash), &json!(4)));
    assert_eq!((&acts[0]["arguments"]["job"], &acts[1]["arguments"]["job"]), (&json!(ids[0]), &json!(ids[1])));
    assert_eq!(acts[1]["arguments"]["throttle"]["rate"], 1);
    let hash = text(&scene, "select encode(sha256('user-1'), 'hex')").await;
    assert_eq!(acts[0]["arguments"]["what"]["replay"]["users"], json!([hash]));
    assert_eq!(acts[5]["arguments"], json!({"job": ids[1]}));
    let shown = run(&scene, &["job", "history", "--limit", "1"]).await.stdout;
    assert!(shown.contains("forget positions") && !shown.contains("redrive"), "{shown}");
}

#[tokio::test]
async fn an_act_that_cannot_be_recorded_is_not_done() {
    let scene = scene_with_history().await;
    scene.database.run("alter table segmenter.audit add check (false)").await;
    for act in [
        &["replay", "--from", "earliest", "--execute"][..],
        &["user", "erase", "user-2", "--execute"],
        &["dlq", "redrive", "--all", "--execute"],
    ] {
        let refused = as_ann(&scene, act).await;
        assert!(refused.code != Some(0) && refused.log.contains("audit"), "{act:?}: {refused:?}");
    }
    let written = "select (select count(*) from segmenter.jobs) + (select count(*) from segmenter.deleted_users)
                        + (select count(*) from segmenter.profile_states) || ''";
    assert_eq!(text(&scene, written).await, "0");
}

#[tokio::test]
async fn the_service_deletes_jobs_that_ended_longer_than_their_retention_ago_with_all_of_their_rows() {
    let scene = Scene::new(1).await;
    scene
        .database
        .run(
            "insert into segmenter.jobs (id, kind, spec, phase, created_at, ended_at)
             select md5(i::text)::uuid, 'backfill', '{}', case when i = 3 then 'work' else 'done' end, now() - interval '9 days',
                    case i when 1 then now() - interval '3 days' when 2 then now() - interval '1 day' end
               from generate_series(1, 3) i;
             insert into segmenter.job_users select id, 'user-' || i from segmenter.jobs, generate_series(1, 12000) i;
             insert into segmenter.job_parts (job_id, part, place, position) select id, 'users', 0, '' from segmenter.jobs;
             insert into segmenter.job_failures select id, 'user-1', 'a rule' from segmenter.jobs",
        )
        .await;
    let _process = scene.serve_with(&[("SEGMENTER_JOBS_RETENTION", "2d")]);
    let left =
        "select concat_ws(' ', (select count(*) from segmenter.jobs), (select count(*) from segmenter.job_parts),
                  (select count(*) from segmenter.job_failures), (select count(*) from segmenter.job_users))";
    eventually(DEADLINE, "the oldest job to be deleted", || async { text(&scene, left).await == "2 2 2 24000" }).await;
}
