//! Refusals and outages with their exit codes, and records that only look like dead letters.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_dependency_is_75_and_a_missing_topic_or_schema_is_3() {
    let mut scene = Scene::new(1).await;
    let mut environment = scene.environment();
    environment.push(("DATABASE_URL", "postgres://role@127.0.0.1:9/none"));
    let database = segmenter(&["dlq", "redrive", "--all"], &environment).finish(DEADLINE).await;
    assert_eq!(database.code, Some(75), "{database:?}");
    let mut environment = scene.environment();
    environment.push(("KAFKA_BROKERS", "127.0.0.1:9"));
    for arguments in [&["dlq", "list"], &["dlq", "redrive"]] {
        let arguments: Vec<&str> = arguments.iter().chain(&["--user", "ann"]).copied().collect();
        let kafka = segmenter(&arguments, &environment).finish(DEADLINE).await;
        assert_eq!(kafka.code, Some(75), "{kafka:?}");
    }
    scene.database.run("drop schema segmenter cascade").await;
    assert_eq!(dlq(&scene, &["redrive", "--all"]).await.code, Some(3));
    scene.dead = "nowhere".to_owned();
    assert_eq!(dlq(&scene, &["list"]).await.code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_without_a_filter_needs_all_and_an_invalid_filter_is_refused() {
    let scene = Scene::new(1).await;
    for arguments in [
        &["redrive"][..],
        &["redrive", "--execute", "--limit", "5"],
        &["redrive", "--all", "--max-attempts", "1"],
        &["list", "--reason", "no_such_reason"],
        &["list", "--from", "yesterday"],
        &["show", "17"],
        &["show", "-1:17"],
    ] {
        let refused = dlq(&scene, arguments).await;
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
    }
    // An empty topic is not an error.
    assert_eq!(dlq(&scene, &["list"]).await.code, Some(0));
    assert_eq!(dlq(&scene, &["redrive", "--all", "--execute"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_look_like_dead_letters_are_foreign_or_rejected_and_never_cause_a_panic() {
    let scene = Scene::new(1).await;
    let good = || dead_letter(&scene.onboarding, 1, Record::new("ann", "{"), "malformed", 1);
    let with = |name: &str, value: &[u8]| {
        let record = good();
        let headers = record.headers.into_iter().filter(|(found, _)| found != name).collect();
        Record { headers, ..record }.header(name, value)
    };
    let without_value = |name: &str| {
        let mut record = with(name, b"");
        record.headers.pop();
        record.headers.push((name.to_owned(), None));
        record
    };
    let foreign = vec![
        with("__connect.errors.partition", b"-1"),
        with("__connect.errors.partition", b"99999999999"),
        with("__connect.errors.offset", b"1.5"),
        with("__connect.errors.offset", b"-5"),
        with("__connect.errors.topic", b""),
        with("__connect.errors.topic", b"\xff\xfe"),
        with("segmenter.reason", b"new_reason"),
        with("segmenter.attempts", b"0"),
        with("segmenter.attempts", b"4294967296"),
        with("segmenter.failed-at", b"soon"),
        with("segmenter.timestamp", b"now"),
        with("segmenter.length", b"5"),
        without_value("segmenter.reason"),
        good().header("segmenter.reason", "malformed"),
        Record::default(),
        Record::tombstone("ann"),
    ];
    let odd = vec![
        with("segmenter.attempts", b"4294967295"),
        with("segmenter.timestamp", b"-9223372036854775808").header("traceparent", b"\xff".to_vec()),
        with("__connect.errors.offset", b"9223372036854775807"),
    ];
    let count = foreign.len();
    scene.kafka.produce_all(&scene.dead, foreign.into_iter().chain(odd)).await;
    let (code, lines, summary) = dlq_json(&scene, &["list"]).await;
    assert_eq!((code, lines.len(), &summary["foreign"]), (Some(0), 3, &count.into()), "{summary}");
    let (code, _, summary) = dlq_json(&scene, &["redrive", "--all"]).await;
    assert_eq!(code, Some(4));
    assert_eq!(summary["stillRejected"], serde_json::json!({"malformed": 2}));
    assert_eq!(summary["notRedrivable"], serde_json::json!({"attempts_exhausted": 1}));
}
