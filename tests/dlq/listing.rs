//! `dlq list` and `dlq show`.

use super::*;
use crate::support::Transaction;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_the_newest_dead_letter_of_each_record_and_counts_by_reason_and_topic() {
    let scene = Scene::new(1).await;
    let dead = scene.kafka.create_topic("dead", 3, &[]).await;
    let scene = Scene { dead, ..scene };
    let (onboarding_topic, updates) = (scene.onboarding.as_str(), scene.updates.as_str());
    let (first, second) = (onboarding("ann", 1), onboarding("bob", 2));
    let dead_letters = [
        dead_letter(onboarding_topic, 5, first.clone(), "unknown_user", 2).partition(0),
        dead_letter(onboarding_topic, 5, first.clone(), "unknown_user", 1).partition(0),
        dead_letter(onboarding_topic, 5, first, "unknown_user", 1).partition(0),
        dead_letter(onboarding_topic, 6, second, "unknown_user", 1).partition(2),
        dead_letter(updates, 5, Record::new("ann", "{"), "malformed", 1).partition(2),
        Record::new("ann", "foreign\x1b[2J").header("segmenter.reason", "malformed").partition(2),
    ];
    scene.kafka.produce_all(&scene.dead, dead_letters).await;
    let last = dead_letter(onboarding_topic, 7, Record::tombstone("cyd"), "unknown_user", 1).partition(2);
    // The last offsets are transaction markers.
    scene.kafka.produce_in_transaction(&scene.dead, vec![last], Transaction::Committed).await;
    let aborted = dead_letter(updates, 8, Record::new("ann", "{"), "malformed", 1).partition(0);
    scene.kafka.produce_in_transaction(&scene.dead, vec![aborted], Transaction::Aborted).await;

    let (code, lines, summary) = dlq_json(&scene, &["list"]).await;
    assert_eq!(code, Some(0));
    let shown: Vec<(i64, i64, i64, i64)> = lines
        .iter()
        .map(|line| {
            let number = |value: &Value| value.as_i64().unwrap();
            let original = &line["original"];
            (
                number(&line["partition"]),
                number(&line["offset"]),
                number(&original["offset"]),
                number(&line["deadLetters"]),
            )
        })
        .collect();
    assert_eq!(shown, [(0, 0, 5, 3), (2, 0, 6, 1), (2, 1, 5, 1), (2, 3, 7, 1)]);
    assert_eq!((&lines[0]["attempts"], &lines[0]["original"]["key"]), (&2.into(), &"ann".into()));
    assert_eq!((&lines[3]["length"], &lines[2]["length"]), (&Value::Null, &1.into()));
    let groups = serde_json::json!([
        {"reason": "malformed", "topic": updates, "records": 1},
        {"reason": "unknown_user", "topic": onboarding_topic, "records": 3},
    ]);
    assert_eq!((&summary["byReasonAndTopic"], &summary["foreign"]), (&groups, &1.into()));
    let commands: Vec<&Value> = summary["findings"].as_array().unwrap().iter().map(|found| &found["command"]).collect();
    assert_eq!(commands, ["segmenter dlq show 2:1", "segmenter dlq redrive --reason unknown_user"]);
    assert_eq!((&summary["records"], &summary["topicHolds"]), (&4.into(), &7.into()));

    let text = dlq(&scene, &["list", "--limit", "1"]).await;
    assert!(text.stdout.contains(&format!("{onboarding_topic}/0/5 (3 dead letters)")), "{}", text.stdout);
    let shows = |row: &str| text.stdout.lines().any(|line| line.split_whitespace().eq(row.split_whitespace()));
    for row in ["records 4", "shown 1", "topic holds 7", "first foreign 2:2: it has no __connect.errors.topic"] {
        assert!(shows(row), "{row} in {}", text.stdout);
    }
    assert!(!text.stdout.contains('\x1b'));
    assert!(scene.kafka.committed(&scene.group, &scene.dead).await.iter().all(Option::is_none), "nothing is committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_by_reason_time_topic_and_user_and_their_combination() {
    let scene = Scene::new(1).await;
    let at = |record: Record, failed_at: &str| {
        let headers = record.headers.into_iter().filter(|(name, _)| name != "segmenter.failed-at").collect();
        Record { headers, ..record }.header("segmenter.failed-at", failed_at)
    };
    let recent = time::OffsetDateTime::now_utc() - time::Duration::minutes(30);
    let recent = recent.format(&time::format_description::well_known::Rfc3339).unwrap();
    let dead_letters = [
        at(dead_letter(&scene.onboarding, 0, onboarding("ann", 1), "unknown_user", 1), "2026-06-01T10:00:00.000Z"),
        at(dead_letter(&scene.onboarding, 1, onboarding("bob", 2), "unknown_user", 1), "2026-06-02T10:00:00.000Z"),
        at(dead_letter(&scene.updates, 2, Record::new("ann", "{"), "malformed", 1), "2026-06-03T10:00:00.000Z"),
        at(dead_letter(&scene.updates, 3, Record::new("ann", "[]"), "bad_time", 1), &recent),
    ];
    scene.kafka.produce_all(&scene.dead, dead_letters).await;
    let cases: [(&[&str], &[i64]); 10] = [
        (&[], &[0, 1, 2, 3]),
        (&["--reason", "unknown_user"], &[0, 1]),
        (&["--reason", "malformed", "--reason", "bad_time"], &[2, 3]),
        (&["--topic", &scene.updates], &[2, 3]),
        (&["--user", "ann"], &[0, 2, 3]),
        (&["--from", "2026-06-02T10:00:00Z", "--to", "2026-06-03T12:00:00+02:00"], &[1]),
        (&["--from", "-2h"], &[3]),
        (&["--from", "PT2H"], &[3]),
        (&["--to", "-2h", "--user", "ann"], &[0, 2]),
        (&["--user", "ann", "--reason", "malformed", "--topic", &scene.onboarding], &[]),
    ];
    for (filter, expected) in cases {
        let arguments: Vec<&str> = ["list"].iter().chain(filter).copied().collect();
        let (code, lines, _) = dlq_json(&scene, &arguments).await;
        let found: Vec<i64> = lines.iter().map(|line| line["original"]["offset"].as_i64().unwrap()).collect();
        assert_eq!((code, found.as_slice()), (Some(0), expected), "{filter:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_shown_without_its_value_unless_payload_is_given() {
    let scene = Scene::new(1).await;
    let dead_letters = [
        dead_letter(&scene.onboarding, 9, Record::new("ann", "{\"phone\":1").header("source", "crm"), "malformed", 2),
        dead_letter(&scene.onboarding, 10, Record::new(b"\xff".to_vec(), b"\x00\x1b".to_vec()), "malformed", 1),
        Record::new("ann", "foreign"),
    ];
    scene.kafka.produce_all(&scene.dead, dead_letters).await;
    let shown = dlq(&scene, &["show", "0:0"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for row in [&format!("topic {}", scene.onboarding), "offset 9", "key ann", "attempts 2", "source crm"] {
        let is_it = |line: &str| line.split_whitespace().eq(row.split_whitespace());
        assert!(shown.stdout.lines().any(is_it), "{row:?} in\n{}", shown.stdout);
    }
    assert!(!shown.stdout.contains("phone"), "{}", shown.stdout);
    let with_value = dlq(&scene, &["show", "0:0", "--payload"]).await;
    assert_eq!(with_value.stdout.lines().last(), Some("{\"phone\":1"));
    let binary = dlq(&scene, &["show", "0:1", "--payload"]).await;
    assert_eq!(binary.stdout.lines().last(), Some("001b"));
    let json = dlq(&scene, &["show", "0:0", "--json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["reason"], &json["payload"]), (&"malformed".into(), &Value::Null));
    assert_eq!(json["headers"], serde_json::json!([{"name": "source", "value": "crm"}]));
    for place in ["0:2", "0:3", "1:0"] {
        let missing = dlq(&scene, &["show", place]).await;
        assert_eq!(missing.code, Some(1), "{place}: {missing:?}");
    }
}
