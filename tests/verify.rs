//! `segmenter verify`: a healthy database has no findings, and each defect is found and named.

mod deep;
mod resuming;
mod topic;

use serde_json::Value;

use crate::docs_sql::validate;
use crate::scene::DEADLINE;
use crate::support::{Database, postgres, segmenter};
use crate::world::{apply, budget, group, migrate, migrated_database, onboarding, pace, store_on, tombstone, update};

/// Runs the command on the database; returns its exit code and report.
async fn verify(database: &Database, arguments: &[&str]) -> (Option<i32>, Value) {
    report(arguments, &[("DATABASE_URL", database.url())]).await
}

async fn report(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, Value) {
    let finished = segmenter(&[&["verify", "--json"], arguments].concat(), environment).finish(DEADLINE).await;
    let report = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    (finished.code, report)
}

/// The listed findings as `check: subject`.
fn found(report: &Value) -> Vec<String> {
    let text = |example: &Value, member: &str| example[member].as_str().unwrap().to_owned();
    let examples = report["examples"].as_array().unwrap().iter();
    examples.map(|example| format!("{}: {}", text(example, "check"), text(example, "subject"))).collect()
}

#[tokio::test]
async fn an_empty_database_has_no_findings_with_the_platforms_users_or_without() {
    let (code, with_users) = verify(&migrated_database().await, &["--deep"]).await;
    assert_eq!((code, &with_users["ok"]), (Some(0), &Value::Bool(true)), "{with_users}");
    let counts = &with_users["counts"];
    assert_eq!((&counts["users"], &counts["vectors"]), (&0.into(), &0.into()));
    assert!(counts["percentage"].is_null() && counts["completedProfiles"] == 0, "{counts}");

    let alone = postgres().fresh_database().await;
    migrate(&alone).await;
    let (code, without_users) = verify(&alone, &[]).await;
    assert_eq!(code, Some(0), "{without_users}");
    assert!(without_users["counts"]["users"].is_null() && without_users["counts"]["completedProfiles"].is_null());
}

#[tokio::test]
async fn a_schema_that_is_not_migrated_is_3_and_an_unavailable_dependency_is_75() {
    let database = postgres().upstream_after_ia().await;
    let finished = segmenter(&["verify"], &[("DATABASE_URL", database.url())]).finish(DEADLINE).await;
    assert!(finished.code == Some(3) && finished.log.contains("migrate run"), "{finished:?}");

    let unreachable = "postgres://role@127.0.0.1:1/nothing";
    let environment = [("DATABASE_URL", unreachable), ("SEGMENTER_DATABASE_CONNECT_TIMEOUT", "1s")];
    assert_eq!(segmenter(&["verify"], &environment).finish(DEADLINE).await.code, Some(75));

    migrate(&database).await;
    let environment = [("DATABASE_URL", database.url()), ("KAFKA_BROKERS", "127.0.0.1:1")];
    assert_eq!(segmenter(&["verify", "--topic"], &environment).finish(DEADLINE).await.code, Some(75));
}

/// Whether the second is the first, rounded to two digits.
fn is_rounded(exact: &Value, rounded: &Value) -> bool {
    exact.as_f64().zip(rounded.as_f64()).is_some_and(|(exact, rounded)| (exact - rounded).abs() < 0.005 + 1e-9)
}

#[tokio::test]
async fn the_counts_are_those_of_the_validation_in_sql() {
    let database = migrated_database().await;
    let names: Vec<String> = (0..40).map(|number| format!("user-{number}")).collect();
    database.add_users(names.iter().map(String::as_str)).await;
    let store = store_on(database.pool()).await;
    let groups = ["SOLO", "COUPLE", "FAMILY", "FRIENDS"];
    let events: Vec<_> = (0..29)
        .map(|number: u32| {
            let least = f64::from(number * 17 % 300);
            let sections = vec![group(groups[number as usize % 4]), budget(least, least + 100.0), pace("HIGH")];
            onboarding(&names[number as usize], 5, sections)
        })
        .collect();
    apply(&store, &events).await;
    database
        .run(
            r#"insert into user_vectors (id, "userId", vector, "updatedAt") values ('a', 'user-30', '[0]', now());
               insert into user_vectors (id, "userId", vector, segments, "primarySegment", "segmentConfidence", "lastSegmentUpdate", "updatedAt")
               values ('b', 'user-31', '[0]', '[{"segment":"THEIRS","score":0.815}]', 'THEIRS', 0.815, now(), now());
               update user_vectors set "segmentConfidence" = 0.1 where "userId" = 'user-3';
               update user_vectors set segments = '[{"segment":"X","score":"0.1"}]' where "userId" = 'user-4'"#,
        )
        .await;
    let (code, report) = verify(&database, &[]).await;
    let (counts, sql) = (&report["counts"], validate(database.pool()).await);
    assert_eq!(code, Some(4));
    assert_eq!(counts["columns"].as_object().unwrap().len(), sql[0].as_array().unwrap().len());
    assert_eq!(counts["users"], 40);
    assert_eq!(counts["vectors"], sql[1][0]["total"]);
    assert_eq!(counts["withSegments"], sql[1][0]["with_segments"]);
    assert!(is_rounded(&counts["percentage"], &sql[1][0]["percentage"]), "{counts}");
    assert_eq!(counts["withoutState"], 1);
    let shares = counts["distribution"].as_array().unwrap();
    assert!(shares.len() > 2, "{shares:?}");
    let theirs = sql[2].as_array().unwrap();
    assert_eq!(shares.len(), theirs.len());
    for (one, other) in shares.iter().zip(theirs) {
        assert_eq!((&one["segment"], &one["count"]), (&other["primarySegment"], &other["count"]));
        assert!(is_rounded(&one["averageConfidence"], &other["avg_confidence"]), "{one} {other}");
    }
    assert_eq!(found(&report), ["contradiction: user-3", "contradiction: user-4"]);
    assert_eq!(sql[3].as_array().unwrap().len(), 2);
    assert_eq!(counts["outboxRows"], sql[4][0]["rows"]);
}

/// Statements that break something, with the finding that they cause.
const BREAKAGES: [(&str, &str); 11] = [
    (r#"delete from user_vectors where "userId" = 'ann'"#, "state-without-row: ann"),
    (r#"update user_vectors set "primarySegment" = 'UNKNOWN' where "userId" = 'bob'"#, "contradiction: bob"),
    (r#"update user_vectors set segments = '{"segment": 1}' where "userId" = 'cy'"#, "contradiction: cy"),
    (r#"update user_vectors set segments = '[]' where "userId" = 'dan'"#, "contradiction: dan"),
    ("update segmenter.profile_states set catalog_version = 99 where user_id = 'eve'", "stale-catalog: eve"),
    (
        r#"update segmenter.profile_states set state = '\x00' where user_id = 'fay'; delete from user_vectors where "userId" = 'fay'"#,
        "unreadable-state: fay",
    ),
    (
        r#"insert into user_vectors (id, "userId", vector, segments, "lastSegmentUpdate", "updatedAt") values ('g', 'gone', '[0]', '[]', now(), now())"#,
        "erased-with-row: gone",
    ),
    (
        r#"insert into travel_onboarding_profiles (id, "userId", "isCompleted", "updatedAt") values ('h', 'hal', true, now()), ('i', 'ian', false, now())"#,
        "profile-without-segments: hal",
    ),
    ("insert into segmenter.outbox (body) values ('\\x00')", "unreadable-outbox: "),
    (r#"drop index "user_vectors_primarySegment_idx""#, "index: user_vectors_primarySegment_idx"),
    (r#"alter table user_vectors alter "lastSegmentUpdate" type timestamp(6)"#, "column: lastSegmentUpdate"),
];

#[tokio::test]
async fn each_defect_of_the_database_is_found_and_named() {
    let database = migrated_database().await;
    let names = ["ann", "bob", "cy", "dan", "eve", "fay", "gone", "hal", "ian", "learned", "patched"];
    database.add_users(names).await;
    database
        .run(
            r#"insert into user_vectors (id, "userId", vector, source, "updatedAt") values ('l', 'learned', '[1]', 'behavior', now())"#,
        )
        .await;
    let store = store_on(database.pool()).await;
    for name in ["ann", "bob", "cy", "dan", "eve", "fay", "gone", "learned"] {
        apply(&store, &[onboarding(name, 5, vec![group("SOLO"), budget(10.0, 40.0)])]).await;
    }
    // No findings: a learned vector whose user was erased, and a user that is not onboarded.
    apply(&store, &[tombstone("gone", 9), tombstone("learned", 9), update("patched", 5, vec![pace("LOW")])]).await;
    let (code, report) = verify(&database, &[]).await;
    assert_eq!((code, found(&report)), (Some(0), Vec::new()), "{report}");
    let mut expected: Vec<&str> = Vec::new();
    for (statements, finding) in BREAKAGES {
        database.run(statements).await;
        expected.push(finding);
        let (code, report) = verify(&database, &[]).await;
        let found = found(&report);
        assert_eq!((code, found.len()), (Some(4), expected.len()), "{statements}: {found:?}");
        for finding in &expected {
            assert!(found.iter().any(|found| found.starts_with(finding)), "{finding} is missing in {found:?}");
        }
    }
    let finished = segmenter(&["verify", "--limit", "1"], &[("DATABASE_URL", database.url())]).finish(DEADLINE).await;
    assert_eq!(finished.code, Some(4));
    let words = finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("contradiction 3 rows whose columns contradict their segments"), "{finished:?}");
    assert_eq!(words.matches("contradiction").count(), 2, "3 are counted, one is listed: {finished:?}");
}

#[tokio::test]
async fn an_erased_users_onboarding_profile_is_no_finding() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 5, vec![group("SOLO")])]).await;
    apply(&store, &[tombstone("ann", 9)]).await;
    database
        .run(r#"insert into travel_onboarding_profiles (id, "userId", "isCompleted", "updatedAt") values ('a', 'ann', true, now())"#)
        .await;
    let (code, report) = verify(&database, &["--deep", "all"]).await;
    assert_eq!((code, &report["counts"]["erasedProfiles"]), (Some(0), &1.into()), "{report}");
}
