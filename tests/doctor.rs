//! `segmenter doctor` finds what is wrong with a real Kafka and a real PostgreSQL, names the remedy, and changes
//! nothing.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::docs_sql::{GRANTS, Role, statements};
use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event, record};
use crate::support::{Finished, Record, eventually, kafka, postgres, segmenter};
use crate::world::migrated_database;

const WITHIN: Duration = Duration::from_secs(90);

/// The documented settings, except for the number of brokers.
const KEPT: [(&str, &str); 2] = [("retention.ms", "604800000"), ("message.timestamp.after.max.ms", "3600000")];
const COMPACTED: [(&str, &str); 1] = [("cleanup.policy", "compact")];

/// A scene whose two input topics have the given partitions and settings.
async fn scene_with(inputs: [(i32, &[(&str, &str)]); 2]) -> Scene {
    let kafka = kafka();
    let [(partitions, settings), (partitions_of_updates, settings_of_updates)] = inputs;
    let onboarding = kafka.create_topic("onboarding", partitions, settings).await;
    let updates = kafka.create_topic("updates", partitions_of_updates, settings_of_updates).await;
    let changes = kafka.create_topic("changes", 2, &COMPACTED).await;
    let dead = kafka.create_topic("dead", 1, &KEPT).await;
    let group = format!("group-{onboarding}");
    let database = migrated_database().await;
    database.run("drop index public.\"user_vectors_userId_idx\"").await;
    Scene { database, kafka, onboarding, updates, changes, dead, group }
}

async fn healthy_scene() -> Scene {
    scene_with([(3, &KEPT), (3, &KEPT)]).await
}

/// Runs the doctor in the scene; the variables in `more` win.
async fn doctor(scene: &Scene, arguments: &[&str], more: &[(&str, &str)]) -> Finished {
    let mut environment = scene.environment();
    environment.extend(more);
    let arguments: Vec<&str> = ["doctor"].iter().chain(arguments).copied().collect();
    segmenter(&arguments, &environment).finish(WITHIN).await
}

/// The findings that are not ok: `status area check: finding`. Without those that every test has: a single broker keeps
/// one replica, and the tests' user is a superuser.
fn found(finished: &Finished) -> Vec<String> {
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    let text = |check: &Value, member: &str| check[member].as_str().unwrap().to_owned();
    let noteworthy = checks.filter(|check| {
        check["status"] != "ok" && !["replication", "superuser"].contains(&check["check"].as_str().unwrap())
    });
    noteworthy
        .map(|check| {
            assert!(!text(check, "remedy").is_empty(), "{check} has a remedy");
            let [status, area, name, finding] =
                ["status", "area", "check", "finding"].map(|member| text(check, member));
            format!("{status} {area} {name}: {finding}")
        })
        .collect()
}

/// The words of the table with single spaces, independent of its width.
fn words(finished: &Finished) -> String {
    finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs the doctor; asserts its exit code, and one finding, which starts with `beginning`.
async fn assert_finds(scene: &Scene, code: i32, beginning: &str) -> String {
    let finished = doctor(scene, &["--json"], &[]).await;
    let mut found = found(&finished);
    assert_eq!(finished.code, Some(code), "{found:#?} {}", finished.log);
    assert!(found.len() == 1 && found[0].starts_with(beginning), "{beginning} is not in {found:#?}");
    found.remove(0)
}

/// Lets a process read and commit `count` events, then stops it.
async fn read_events(scene: &Scene, count: u64) {
    scene.add_users(count).await;
    for number in 0..count {
        let user = format!("user-{number}");
        let event = onboarding_event(&user, number, &mut Numbers(number));
        scene.kafka.produce(&scene.onboarding, record(&user, &event).partition(0)).await;
    }
    let mut process = scene.serve();
    scene.settled().await;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_setup_is_all_ok_and_stays_unchanged() {
    let scene = healthy_scene().await;
    read_events(&scene, 4).await;
    let role = Role::granted(&scene.database, &statements(GRANTS)).await;
    let url = format!("{}?options[role]={}", scene.database.url(), role.name);
    let committed = scene.kafka.committed(&scene.group, &scene.onboarding).await;
    let finished = doctor(&scene, &[], &[("DATABASE_URL", &url)]).await;
    let table = words(&finished);
    assert_eq!((finished.code, finished.log.as_str()), (Some(0), ""), "{table}");
    assert!(table.contains(" ok database reachable it answers. "), "{table}");
    assert!(table.ends_with(" 37 ok, 1 warning, 0 problems, 0 unchecked"), "{table}");
    assert!(table.contains(" warning kafka replication there is only one replica of"), "{table}");
    assert_eq!(scene.kafka.committed(&scene.group, &scene.onboarding).await, committed);
    let again = doctor(&scene, &["--json"], &[("DATABASE_URL", &url)]).await;
    assert_eq!((again.code, found(&again)), (Some(0), Vec::new()));
    role.drop(&scene.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_a_problem_and_is_not_created() {
    let mut scene = healthy_scene().await;
    scene.changes = format!("{}-missing", scene.changes);
    assert_finds(&scene, 4, &format!("problem kafka topics: topic {} does not exist.", scene.changes)).await;
    assert_eq!(scene.kafka.partitions(&scene.changes).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_topics_with_different_numbers_of_partitions_get_a_warning() {
    let scene = scene_with([(3, &KEPT), (2, &KEPT)]).await;
    assert_finds(&scene, 0, "warning kafka partitions: ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_input_topic_gets_a_warning_with_its_number_of_tombstones() {
    let settings = [("cleanup.policy", "compact"), ("message.timestamp.type", "LogAppendTime")];
    let scene = scene_with([(3, &KEPT), (3, &settings)]).await;
    let records = [Record::tombstone("ann"), Record::new("bob", "{}"), Record::tombstone("cy")];
    scene.kafka.produce_all(&scene.updates, records).await;
    let finding = assert_finds(&scene, 0, &format!("warning kafka cleanup: {} is an input topic", scene.updates)).await;
    assert!(finding.ends_with("Of its newest 3 records, 2 are tombstones."), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn short_retention_large_records_and_unlimited_clocks_each_get_a_warning() {
    let careless = [
        ("retention.ms", "3600000"),
        ("max.message.bytes", "9000000"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
    ];
    let scene = scene_with([(3, &careless), (3, &KEPT)]).await;
    let finished = doctor(&scene, &["--json"], &[]).await;
    let found = found(&finished);
    assert_eq!(finished.code, Some(0));
    for (finding, check) in found.iter().zip(["retention", "record size", "timestamps"]) {
        assert!(finding.starts_with(&format!("warning kafka {check}: {}", scene.onboarding)), "{found:#?}");
    }
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_topic_that_is_not_compacted_gets_a_warning() {
    let mut scene = healthy_scene().await;
    scene.changes = scene.kafka.create_topic("changes", 2, &KEPT).await;
    assert_finds(&scene, 0, &format!("warning kafka compaction: {} is not compacted", scene.changes)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_deleted_before_they_are_read_are_a_problem() {
    let scene = healthy_scene().await;
    read_events(&scene, 3).await;
    scene.kafka.produce_all(&scene.onboarding, (0..5).map(|_| Record::new("user-0", "{}").partition(0))).await;
    scene.kafka.delete_records_before(&scene.onboarding, 0, 7).await;
    let beginning =
        format!("problem positions starts: the next start of {} [0] stops with exit code 3", scene.onboarding);
    let finding = assert_finds(&scene, 4, &beginning).await;
    assert!(finding.contains("4 records were deleted before they were read: offset 3 is before"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_are_gone_past_the_end_or_of_another_history_are_found_and_not_changed() {
    let scene = healthy_scene().await;
    read_events(&scene, 3).await;
    let onboarding = &scene.onboarding;
    let next_start = format!("problem positions starts: the next start of {onboarding} [0]");
    let set = async |values: &str| {
        scene.database.run(format!("update segmenter.positions set {values} where next_offset > 0")).await;
    };
    set("history = 0").await;
    let ahead =
        assert_finds(&scene, 0, "warning positions history: segment-changed may be ahead of the database").await;
    assert!(ahead.ends_with(&format!("{onboarding} [0] is not repaired.")), "{ahead}");
    set("history = 1").await;
    assert_finds(&scene, 0, "warning positions history: the server was started anew or replaced").await;
    set("next_offset = 99, history = floor(extract(epoch from pg_postmaster_start_time()) * 1000000)").await;
    let past = assert_finds(&scene, 4, &next_start).await;
    assert!(past.contains("offset 99 is past the partition's end 3"), "{past}");
    scene.database.run("delete from segmenter.positions").await;
    let gone = assert_finds(&scene, 4, &next_start).await;
    assert!(gone.contains("and the database has no position"), "{gone}");
    let left: i64 =
        sqlx::query_scalar("select count(*) from segmenter.positions").fetch_one(scene.database.pool()).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_the_processes_of_the_group_do_not_write_are_a_problem() {
    let scene = healthy_scene().await;
    let process = scene.serve();
    scene.read().await;
    // Every write looks old.
    let age = "create function age() returns trigger language plpgsql as
                   $$ begin new.written_at = now() - interval '40 seconds'; return new; end $$;
               create trigger age before update on segmenter.positions for each row execute function age()";
    scene.database.run(age).await;
    eventually(WITHIN, "every position is old", || async {
        let young = "select count(*) from segmenter.positions where written_at > now() - interval '35 seconds'";
        let young: i64 = sqlx::query_scalar(young).fetch_one(scene.database.pool()).await.unwrap();
        young == 0
    })
    .await;
    let beginning =
        format!("problem positions written: the position of {} [0] and 5 more partitions was", scene.onboarding);
    assert_finds(&scene, 4, &beginning).await;
    drop(process);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_migration_is_a_problem_that_names_the_command() {
    let mut scene = healthy_scene().await;
    scene.database = postgres().upstream_after_ia().await;
    scene.database.run("drop index public.\"user_vectors_userId_idx\"").await;
    let finding = assert_finds(&scene, 4, "problem database migrations: the schema is missing").await;
    assert!(finding.contains("segmenter migrate run"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_a_missing_and_a_superfluous_index_are_found_and_not_changed() {
    let scene = healthy_scene().await;
    let database = &scene.database;
    let invalidate =
        "update pg_index set indisvalid = false where indexrelid = '\"user_vectors_primarySegment_idx\"'::regclass";
    database.run(invalidate).await;
    assert_finds(&scene, 4, "problem database indexes: public.\"user_vectors_primarySegment_idx\" is invalid").await;
    database.run("drop index public.\"user_vectors_primarySegment_idx\"").await;
    assert_finds(&scene, 4, "problem database indexes: public.user_vectors has no index on \"primarySegment\".").await;
    database
        .run(
            r#"create index "user_vectors_primarySegment_idx" on user_vectors ("primarySegment");
               create index "user_vectors_userId_idx" on user_vectors ("userId")"#,
        )
        .await;
    let beginning = "warning database superfluous index: public.\"user_vectors_userId_idx\" only repeats";
    assert_finds(&scene, 0, beginning).await;
    let left: i64 = sqlx::query_scalar("select count(*) from pg_indexes where indexname = 'user_vectors_userId_idx'")
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert_eq!(left, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_triggers_missing_rows_old_outbox_rows_and_a_newer_catalog_are_found() {
    let scene = healthy_scene().await;
    scene.add_users(2).await;
    scene
        .database
        .run(
            "alter table segmenter.profile_states disable trigger rename_user;
             insert into segmenter.profile_states (user_id, counter, revision, published, catalog_version, state)
               values ('user-0', 1, 1, 1, 99, 'x');
             insert into segmenter.outbox (users, created_at) values ('{user-0}', now() - interval '1 hour')",
        )
        .await;
    let finished = doctor(&scene, &["--json"], &[]).await;
    let found = found(&finished);
    assert_eq!(finished.code, Some(4), "{found:#?}");
    let beginnings = [
        "problem database triggers: the trigger rename_user",
        "warning database outbox: 1 row waits to be published, the oldest for 1h",
        "warning database rows: 1 user has",
        "problem database catalog: users are scored with catalog 99",
    ];
    assert_eq!(found.len(), beginnings.len(), "{found:#?}");
    for (finding, beginning) in found.iter().zip(beginnings) {
        assert!(finding.starts_with(beginning), "{found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_grant_is_reported_with_its_table() {
    let scene = healthy_scene().await;
    let grants = statements(GRANTS);
    let mut running = Vec::new();
    for left_out in 0..grants.len() {
        let mut fewer = grants.clone();
        let without = fewer.remove(left_out);
        let role = Role::granted(&scene.database, &fewer).await;
        let url = format!("{}?options[role]={}", scene.database.url(), role.name);
        let mut environment = scene.environment();
        environment.push(("DATABASE_URL", &url));
        let process = segmenter(&["doctor", "--json"], &environment);
        running.push((without, role, process));
    }
    for (without, role, process) in running {
        let finished = process.finish(WITHIN).await;
        let found = found(&finished);
        assert_eq!(finished.code, Some(4), "{without}: {found:#?}");
        let (_, object) = without.split_once(" on ").unwrap();
        let object = object.split_once(" to ").unwrap().0.trim();
        let names_it = format!("on {object}");
        let is_named =
            |finding: &&String| finding.starts_with("problem database rights: ") && finding.contains(&names_it);
        assert!(found.iter().any(|finding| is_named(&finding)), "{without}: {found:#?}");
        role.drop(&scene.database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_connections_or_never_answers_ends_with_75_and_kafka_is_checked_nevertheless() {
    let scene = healthy_scene().await;
    // The system accepts connections, but no program answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("postgres://role:hush@{}/none", silent.local_addr().unwrap());
    for url in ["postgres://role:hush@127.0.0.1:1/none", &silent_url] {
        let more = [("DATABASE_URL", url), ("SEGMENTER_DATABASE_CONNECT_TIMEOUT", "2s")];
        let finished = doctor(&scene, &[], &more).await;
        let table = words(&finished);
        assert_eq!(finished.code, Some(75), "{table}");
        assert!(table.contains(" problem database reachable the database does not answer ("), "{table}");
        assert!(table.contains(" ok kafka topics all four exist, and every partition has a leader. "), "{table}");
        assert!(!table.contains("hush") && !finished.log.contains("hush"), "{table}{}", finished.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_brokers_end_with_75_and_the_database_is_checked_nevertheless() {
    let scene = healthy_scene().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_broker = silent.local_addr().unwrap().to_string();
    for (broker, why) in [("127.0.0.1:1", "Connection refused"), (&silent_broker, "no broker answers (")] {
        let finished = doctor(&scene, &["--json"], &[("KAFKA_BROKERS", broker)]).await;
        let found = found(&finished);
        assert_eq!(finished.code, Some(75), "{found:#?}");
        assert!(found.len() == 1 && found[0].contains(why), "{found:#?}");
        let report: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(report["status"], "unavailable");
        let checks = report["checks"].as_array().unwrap();
        assert!(checks.iter().any(|check| check["area"] == "database" && check["check"] == "migrations"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_a_problem_and_not_an_outage() {
    let scene = healthy_scene().await;
    let url = scene.database.url().replacen(":s3cret-of-the-tests@", ":wrong@", 1);
    let finished = doctor(&scene, &["--json"], &[("DATABASE_URL", &url)]).await;
    let found = found(&finished);
    assert_eq!(finished.code, Some(4), "{found:#?}");
    assert!(
        found.len() == 1 && found[0].contains("the database refuses us (password authentication failed"),
        "{found:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_ends_with_2_before_any_check() {
    let finished = segmenter(&["doctor"], &[("KAFKA_BROKERS", "kafka")]).finish(WITHIN).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    assert!(finished.log.contains("database.url") && finished.log.contains("kafka.brokers"), "{}", finished.log);
}
