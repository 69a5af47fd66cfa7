//! The offsets that a replay reads.

use std::time::Duration;

use super::{begin, member, run, run_json};
use crate::scene::Numbers;
use crate::scene::{DEADLINE, Scene, history, onboarding_event, record};
use crate::support::{Record, Transaction, eventually};
use crate::world::assert_table_equals_oracle;

#[tokio::test]
async fn a_gap_from_retention_is_refused_unless_it_is_accepted() {
    let scene = Scene::new(1).await;
    scene.add_users(10).await;
    scene.produce(&history(10, 100, 41)).await;
    scene.kafka.delete_records_before(&scene.onboarding, 0, 5).await;
    let topic = scene.onboarding.clone();
    for from in ["0:2", "1970-01-02T00:00:00Z"] {
        let arguments = ["replay", "--topic", &topic, "--from", from, "--execute"];
        let finished = run(&scene, &arguments).await;
        assert_eq!(finished.code, Some(3), "{}", finished.log);
        assert!(finished.stdout.contains("gap") && finished.log.contains("--accept-gap"), "{}", finished.stdout);
    }
    let (_, lines) = run_json(&scene, &["replay", "--topic", &topic, "--from", "0:2"]).await;
    assert_eq!(member(&lines, "plan")["ranges"][0]["gap"]["offsets"], 3);

    let arguments = ["replay", "--topic", &topic, "--from", "0:2", "--accept-gap", "--execute"];
    let finished = run(&scene, &arguments).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    let whole = run(&scene, &["replay", "--topic", &topic, "--from", "earliest"]).await;
    assert_eq!(whole.code, Some(0), "earliest requests the existing records only: {}", whole.log);
}

#[tokio::test]
async fn a_replay_ends_at_the_end_that_was_fixed_at_its_start_even_if_that_is_a_transaction_marker() {
    let scene = Scene::new(1).await;
    scene.add_users(10).await;
    scene.produce(&history(10, 60, 42)).await;
    let mut numbers = Numbers(42);
    let event = |id: u64, numbers: &mut Numbers| {
        let user = format!("user-{}", id % 10);
        record(&user, &onboarding_event(&user, id, numbers))
    };
    let committed: Vec<Record> = (1000..1005).map(|id| event(id, &mut numbers)).collect();
    scene.kafka.produce_in_transaction(&scene.onboarding, committed, Transaction::Committed).await;
    let aborted: Vec<Record> = (2000..2005).map(|id| event(id, &mut numbers)).collect();
    scene.kafka.produce_in_transaction(&scene.onboarding, aborted, Transaction::Aborted).await;
    let finished = run(&scene, &["replay", "--from", "earliest", "--execute"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    assert_table_equals_oracle(scene.database.pool(), &scene.accepted().await).await;
}

#[tokio::test]
async fn a_replay_of_a_compacted_topic_ends_although_its_last_records_are_removed() {
    let scene = Scene::new(1).await;
    scene.add_users(3).await;
    let compacted = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("segment.ms", "100"),
        ("max.compaction.lag.ms", "100"),
        ("retention.ms", "-1"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
    ];
    let onboarding = scene.kafka.create_topic("compacted", 1, &compacted).await;
    let scene = Scene { onboarding: onboarding.clone(), ..scene };
    let mut numbers = Numbers(43);
    for id in 0..40 {
        let user = format!("user-{}", id % 3);
        scene.kafka.produce(&onboarding, record(&user, &onboarding_event(&user, id, &mut numbers))).await;
    }
    eventually(DEADLINE, "compaction", || async {
        // Another record rolls the segment, so that the one before it can be cleaned.
        let user = "user-0";
        scene.kafka.produce(&onboarding, record(user, &onboarding_event(user, 99, &mut Numbers(99)))).await;
        scene.kafka.read_all(&onboarding).await.len() < 20
    })
    .await;
    let finished = begin(&scene, &["replay", "--topic", &onboarding, "--from", "earliest", "--execute"])
        .finish(Duration::from_secs(60))
        .await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
}

#[tokio::test]
async fn a_replay_does_not_read_beyond_its_end_and_commits_no_offsets() {
    let scene = Scene::new(1).await;
    scene.add_users(10).await;
    scene.produce(&history(10, 80, 44)).await;
    let ends = scene.kafka.end_offsets(&scene.onboarding).await;
    let to = format!("0:{}", ends[0] / 2);
    let topic = scene.onboarding.clone();
    let (code, lines) =
        run_json(&scene, &["replay", "--topic", &topic, "--from", "earliest", "--to", &to, "--execute"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(member(&lines, "end")["counts"]["items"].as_i64(), Some(ends[0] / 2));
    assert_eq!(scene.kafka.committed(&scene.group, &topic).await, [None], "the live group's offsets are not touched");
    let replays = scene.kafka.committed(&format!("{}-replay", scene.group), &topic).await;
    assert_eq!(replays, [None], "a replay commits none of its own");
}

#[tokio::test]
async fn invalid_arguments_are_refused_before_any_work() {
    let scene = Scene::new(1).await;
    let usage = [
        vec!["replay", "--from", "yesterday"],
        vec!["replay"],
        vec!["replay", "--from", "earliest", "--rate", "0"],
        vec!["replay", "--from", "earliest", "--user", ""],
        vec!["replay", "--from", "earliest", "--id", "5a8cb2f0-3f0e-4a85-9d0e-0d6b0b1c1b11"],
    ];
    for arguments in usage {
        assert_eq!(run(&scene, &arguments).await.code, Some(2), "{arguments:?}");
    }
    for arguments in [
        vec!["replay", "--from", "earliest", "--topic", "no-such-topic"],
        vec!["replay", "--from", "7:0"],
        vec!["replay", "--from", "earliest", "--partition", "9"],
    ] {
        let finished = run(&scene, &arguments).await;
        assert_eq!(finished.code, Some(3), "{arguments:?}: {}", finished.log);
    }
    let finished = run(&scene, &["replay", "--from", "earliest"]).await;
    assert_eq!(finished.code, Some(0), "empty topics: {}", finished.log);
    assert!(finished.stdout.contains("nothing to replay"), "{}", finished.stdout);
}
