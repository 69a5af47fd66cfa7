//! The wall clock of a process jumps by an hour while it works.

use super::failpoint;
use crate::scene::{Scene, history};
use crate::support::{Segmenter, ShiftedClock, eventually, http_get};

const HOUR: i64 = 3600;

fn serve(scene: &Scene, clock: &ShiftedClock, more: &[(&str, &str)]) -> Segmenter {
    let environment = clock.environment();
    let mut all: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend(more);
    scene.serve_with(&all)
}

/// No process took over a lease.
fn assert_nothing_was_taken_over(process: &Segmenter) {
    assert!(!process.log().iter().any(|line| line.contains("took over outbox rows")), "{:#?}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_an_hour_ahead_and_back_shows_in_nothing_that_is_written_or_published() {
    let scene = Scene::new(2).await;
    scene.add_users(100).await;
    let clock = ShiftedClock::new();
    let process = serve(&scene, &clock, &[]);
    process.wait_for_log("partitions assigned").await;
    for (round, jump) in (0..).zip([HOUR, -HOUR, 0, -HOUR, HOUR, 0]) {
        let history = history(100, 300, 141 + round);
        let (before, after) = history.split_at(150);
        scene.produce(before).await;
        // While it processes the first half.
        clock.shift(jump);
        scene.produce(after).await;
        scene.settled().await;
        assert_eq!(http_get(process.http_address().await, "/health/live").await.status, 200, "after {jump} s");
    }
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
    assert_nothing_was_taken_over(&process);
    let log = process.log();
    let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!((count("partitions assigned"), count("partitions lost"), count("partitions revoked")), (1, 0, 0));
    let records = scene.kafka.read_all(&scene.changes).await;
    let times = || records.iter().filter_map(|record| record.timestamp);
    let span = times().max().unwrap() - times().min().unwrap();
    assert!(span >= HOUR * 1000, "the clock jumped, but the records published span only {span} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_neither_ends_nor_lengthens_a_publishers_lease() {
    for jump in [HOUR, -HOUR] {
        let scene = Scene::new(1).await;
        scene.add_users(20).await;
        let clock = ShiftedClock::new();
        let slow = failpoint("before-publish", "1*sleep(4000)");
        let publisher = serve(&scene, &clock, &[("FAILPOINTS", &slow)]);
        publisher.wait_for_log("partitions assigned").await;
        scene.produce(&history(20, 60, 151)).await;
        publisher.wait_for_log("before-publish reached").await;
        clock.shift(jump);
        // Takes the row over if its lease has expired.
        let other = scene.serve();
        other.wait_for_log("http listening").await;
        let within = "select count(*) from segmenter.outbox where leased_until \
                      not between clock_timestamp() and clock_timestamp() + interval '1 minute'";
        eventually(crate::scene::DEADLINE, "everything is published, and every lease ends within a minute", || async {
            let outside: i64 = sqlx::query_scalar(within).fetch_one(scene.database.pool()).await.unwrap();
            assert_eq!(outside, 0, "a lease was moved by {jump} s");
            scene.outbox().await == 0
        })
        .await;
        scene.settled().await;
        scene.assert_right().await;
        [&publisher, &other].into_iter().for_each(assert_nothing_was_taken_over);
    }
}
