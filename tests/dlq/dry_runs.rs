//! `dlq redrive` without `--execute`: reports the outcomes, and writes nothing.

use super::*;

/// One dead letter of every outcome, of two known users and a stranger.
fn of_every_outcome(topic: &str) -> Vec<Record> {
    let duplicate = onboarding_at("ann", 2, "2026-02-02T10:00:00Z");
    let stale = onboarding_at("ann", 1, "2026-02-01T10:00:00Z");
    let mut not_completed = onboarding_event("ann", 3, &mut Numbers(3));
    not_completed["payload"]["profile"]["isOnboardingCompleted"] = false.into();
    let not_completed = crate::scene::record("ann", &not_completed);
    let truncated = Record::new("ann", "{").header("segmenter.length", "2000000").header("segmenter.sha256", "ab");
    vec![
        dead_letter(topic, 1, duplicate, "unknown_user", 1),
        dead_letter(topic, 2, stale, "unknown_user", 1),
        dead_letter(topic, 3, not_completed, "unknown_user", 1),
        dead_letter(topic, 4, onboarding("stranger", 4), "unknown_user", 1),
        dead_letter(topic, 5, Record::new("ann", "{"), "malformed", 1),
        dead_letter(topic, 6, truncated, "too_large", 1),
        dead_letter(topic, 7, onboarding("ann", 4), "unknown_user", 3),
        dead_letter("another-topic", 8, onboarding("ann", 4), "unknown_user", 1),
        // The same user twice, the newer first: the second is folded over the write of the first.
        dead_letter(topic, 9, onboarding_at("bob", 6, "2026-02-06T10:00:00Z"), "unknown_user", 1),
        dead_letter(topic, 10, onboarding_at("bob", 5, "2026-02-05T10:00:00Z"), "unknown_user", 1),
        Record::new("ann", "not a dead letter"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_its_counts_match_the_execution() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann", "bob"]).await;
    scene.kafka.produce(&scene.onboarding, onboarding_at("ann", 2, "2026-02-02T10:00:00Z")).await;
    serve_until_settled(&scene).await;
    scene.kafka.produce_all(&scene.dead, of_every_outcome(&scene.onboarding)).await;
    let before = (tables(&scene).await, changes(&scene).await, scene.dead_letters().await, input_ends(&scene).await);

    // At this rate each batch has one dead letter.
    let (code, lines, dry_summary) = dlq_json(&scene, &["redrive", "--all", "--rate", "9"]).await;
    assert_eq!(lines.len(), 10);
    let expected = serde_json::json!({
        "executed": false, "records": 10, "supersededDeadLetters": 0, "applied": 1, "unchanged": 1, "stale": 2,
        "skipped": 1, "stillRejected": {"malformed": 1, "unknown_user": 1},
        "notRedrivable": {"attempts_exhausted": 1, "truncated": 1, "unknown_topic": 1}, "segmentChanges": 1,
        "next": "segmenter dlq redrive --all --rate 9 --json --execute", "foreign": 1, "firstForeign": dry_summary["firstForeign"], "complete": true,
    });
    assert_eq!((code, &dry_summary), (Some(4), &expected));
    let after = (tables(&scene).await, changes(&scene).await, scene.dead_letters().await, input_ends(&scene).await);
    assert_eq!(before, after);

    let (code, counts) = redrive(&scene, &["--all"]).await;
    assert_eq!((code, &counts["items"]), (Some(4), &expected["records"]));
    for name in ["applied", "unchanged", "stale", "skipped", "notRedrivable"] {
        // Bob's two dead letters are in one batch.
        assert_eq!(counts[name], expected[name], "{name}");
    }
    assert_eq!(counts["rejectedByReason"], expected["stillRejected"]);
    assert_eq!(changes(&scene).await.len(), before.1.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_dry_run_names_dead_letters_that_cannot_be_redriven_and_fits_80_columns() {
    let mut scene = Scene::new(1).await;
    scene.onboarding = scene.kafka.create_topic("o", 1, &[]).await;
    scene.database.add_users(["ann", "bob"]).await;
    scene.kafka.produce_all(&scene.dead, of_every_outcome("user.onboarding")).await;
    let mut environment = scene.environment();
    environment.push(("SEGMENTER_TOPICS_ONBOARDING_COMPLETED", "user.onboarding"));
    let dry = segmenter(&["dlq", "redrive", "--all"], &environment).finish(DEADLINE).await;
    assert_eq!(dry.code, Some(4), "{dry:?}");
    for line in [
        "0:5 of user.onboarding/0/6 cannot be redriven: truncated",
        "0:6 of user.onboarding/0/7 cannot be redriven: attempts_exhausted",
        "0:7 of another-topic/0/8 cannot be redriven: unknown_topic",
        "executed no",
        "records 10",
        "malformed 1",
    ] {
        let is_it = |found: &str| found.split_whitespace().eq(line.split_whitespace());
        assert!(dry.stdout.lines().any(is_it), "{line:?} in\n{}", dry.stdout);
    }
    let foreign = dry.stdout.lines().find(|line| line.contains("first foreign")).unwrap_or_default();
    assert!(foreign.contains("0:10"), "{}", dry.stdout);
    assert!(
        dry.stdout.lines().filter(|line| *line != foreign).all(|line| line.chars().count() <= 80),
        "{}",
        dry.stdout
    );
}
