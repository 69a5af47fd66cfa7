//! Where partitions go on after their offsets were moved or deleted, and on another database.

use sqlx::PgPool;

use crate::scene::{DEADLINE, Numbers, Scene, history, observed, onboarding_event, record};
use crate::support::history::{Recommender, Rewind, violations};
use crate::support::{Segmenter, eventually, http_get};
use crate::world::{assert_table_equals_oracle, migrated_database, table};

const LATEST: (&str, &str) = ("SEGMENTER_KAFKA_INITIAL_OFFSET", "latest");
const EARLIEST_ALLOWED: (&str, &str) = ("SEGMENTER_KAFKA_OUT_OF_RANGE", "earliest");

/// Records each position that is stored.
const RECORD: &str = "
    create table seen (topic_id uuid, next_offset bigint);
    create function record() returns trigger language plpgsql as
        $$ begin insert into public.seen values (new.topic_id, new.next_offset); return null; end $$;
    create trigger record after insert or update on segmenter.positions for each row execute function record()";

async fn stop(process: &mut Segmenter) {
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0));
}

/// A scene with one partition a topic, whose records a process has read.
async fn read_scene(seed: u64) -> Scene {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 60, seed)).await;
    let mut process = scene.serve();
    scene.settled().await;
    stop(&mut process).await;
    scene
}

/// Onboards users with these numbers.
async fn onboard(scene: &Scene, users: std::ops::Range<u64>) {
    let event = |number| {
        let user = format!("user-{number}");
        record(&user, &onboarding_event(&user, number, &mut Numbers(number)))
    };
    scene.kafka.produce_all(&scene.onboarding, users.map(event).collect::<Vec<_>>()).await;
}

/// How many records a process has finished, whatever their outcome.
async fn finished_records(process: &Segmenter) -> f64 {
    let metrics = http_get(process.http_address().await, "/metrics").await.body;
    let of_outcomes = metrics.lines().filter(|line| line.starts_with("segmenter_records_total{"));
    of_outcomes.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// The lowest position that was stored for the topic whose position has moved, and the present one.
async fn lowest_and_present(pool: &PgPool) -> (i64, i64) {
    let of_moved =
        "select min(s.next_offset), max(p.next_offset) from seen s join segmenter.positions p using (topic_id)
        group by topic_id having count(distinct s.next_offset) > 1";
    sqlx::query_as(of_moved).fetch_one(pool).await.unwrap()
}

/// Waits until the database has every record of both topics and every change is published, whatever is committed.
async fn applied(scene: &Scene) {
    let ends =
        [scene.kafka.end_offsets(&scene.onboarding).await, scene.kafka.end_offsets(&scene.updates).await].concat();
    eventually(DEADLINE, "every record is applied", || async {
        let sum = "select coalesce(sum(next_offset), -1)::bigint from segmenter.positions";
        let applied: i64 = sqlx::query_scalar(sum).fetch_one(scene.database.pool()).await.unwrap();
        applied == ends.iter().sum::<i64>() && scene.outbox().await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_at_the_end_is_a_number_so_that_records_of_an_idle_partition_are_not_skipped_later() {
    let scene = Scene::new(1).await;
    scene.add_users(3).await;
    onboard(&scene, 0..1).await;
    let mut first = scene.serve_with(&[LATEST]);
    scene.read().await;
    assert_eq!(scene.kafka.committed(&scene.group, &scene.onboarding).await, [Some(1)]);
    assert_eq!(scene.kafka.committed(&scene.group, &scene.updates).await, [Some(0)]);
    stop(&mut first).await;
    onboard(&scene, 1..3).await;
    let mut second = scene.serve_with(&[LATEST]);
    scene.settled().await;
    assert_eq!(table(scene.database.pool()).await.into_keys().collect::<Vec<_>>(), ["user-1", "user-2"]);
    stop(&mut second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_an_operator_moves_backwards_are_read_again_and_the_position_follows_downwards() {
    let scene = read_scene(111).await;
    let end = scene.kafka.end_offsets(&scene.onboarding).await[0];
    scene.database.run(RECORD).await;
    let place = format!("{}:0", scene.onboarding);
    let to_start = ["--reset-offsets", "--topic", &place, "--to-earliest", "--execute"];
    scene.kafka.consumer_groups(&scene.group, &to_start).await;
    let mut process = scene.serve();
    process.wait_for_log("starting at an offset that another program committed").await;
    scene.settled().await;
    assert_eq!(finished_records(&process).await, end as f64);
    assert_eq!(lowest_and_present(scene.database.pool()).await, (0, end));
    scene.assert_right().await;
    stop(&mut process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_an_operator_moves_forwards_are_honoured_and_the_position_follows() {
    let scene = read_scene(112).await;
    scene.database.add_users(["user-20", "user-21"]).await;
    onboard(&scene, 20..21).await;
    let end = scene.kafka.end_offsets(&scene.onboarding).await[0];
    scene.database.run(RECORD).await;
    let place = format!("{}:0", scene.onboarding);
    scene
        .kafka
        .consumer_groups(&scene.group, &["--reset-offsets", "--topic", &place, "--to-latest", "--execute"])
        .await;
    let mut process = scene.serve();
    scene.read().await;
    onboard(&scene, 21..22).await;
    scene.settled().await;
    assert_eq!(lowest_and_present(scene.database.pool()).await, (end, end + 1));
    let users = table(scene.database.pool()).await;
    assert!(!users.contains_key("user-20") && users.contains_key("user-21"), "{users:?}");
    stop(&mut process).await;
    let mut again = scene.serve();
    scene.settled().await;
    assert_eq!(finished_records(&again).await, 0.0, "the commit is the service's own again");
    stop(&mut again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_offsets_are_deleted_or_expired_goes_on_at_its_stored_positions() {
    let scene = read_scene(113).await;
    scene.kafka.consumer_groups(&scene.group, &["--delete"]).await;
    assert_eq!(scene.kafka.committed(&scene.group, &scene.onboarding).await, [None]);
    scene.produce(&history(20, 30, 114)).await;
    let unread = history(20, 30, 114).len();
    // A start without a position would skip them.
    let mut process = scene.serve_with(&[LATEST]);
    scene.settled().await;
    assert_eq!(finished_records(&process).await, unread as f64);
    scene.assert_right().await;
    stop(&mut process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_under_a_group_with_offsets_is_refused_and_built_from_the_topics_where_the_policy_allows_it()
{
    let mut scene = read_scene(115).await;
    let before = std::mem::replace(&mut scene.database, migrated_database().await);
    scene.add_users(20).await;
    let committed = scene.kafka.committed(&scene.group, &scene.onboarding).await;

    let mut refused = scene.serve();
    assert_eq!(refused.wait(DEADLINE).await.code(), Some(3));
    let named = "and the database has no position: it is empty, or another one";
    assert!(refused.log().iter().any(|line| line.contains(named)), "{:#?}", refused.log());
    assert_eq!(scene.kafka.committed(&scene.group, &scene.onboarding).await, committed);
    assert!(table(scene.database.pool()).await.is_empty());

    let mut allowed = scene.serve_with(&[EARLIEST_ALLOWED]);
    allowed.wait_for_log(named).await;
    applied(&scene).await;
    let events = scene.accepted().await;
    assert_table_equals_oracle(scene.database.pool(), &events).await;
    let observations = scene.kafka.read_all(&scene.changes).await.iter().map(observed).collect();
    let recommender = Recommender { name: "a recommender", from_the_beginning: true, observations };
    let rebuilt = Rewind { from: 0, until: i64::MAX };
    let violations = violations(&[recommender], &scene.published_rows().await, &[rebuilt]);
    assert!(violations.is_empty(), "{violations:#?}");
    stop(&mut allowed).await;
    drop(before);
}
