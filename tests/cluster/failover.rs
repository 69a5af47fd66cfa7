//! The database goes back in time: a standby that had not received the last commits is promoted, or a backup is restored.

use std::time::Duration;

use super::bed::Stage;
use super::schedule::{Broker, Fault, Links, Old, Step, Then, run};

const fn promoted(lost_ms: u64, clock: i64, old: Old) -> Fault {
    Fault::Promote { lost: Duration::from_millis(lost_ms), clock, old }
}

fn step<const N: usize>(faults: [Fault; N]) -> Step {
    Step::new(faults, 20, 30)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_lost_commits_ends_with_right_rows_and_records() {
    // Two for each stage: at the third within a minute a partition waits.
    for losses in [&[0, 100][..], &[500, 900], &[6_000]] {
        run(Stage::of(2), losses.iter().map(|lost| step([promoted(*lost, 0, Old::Dies)]))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_promotions_in_a_row_and_a_server_with_a_slower_clock_end_with_right_rows_and_records() {
    let twice = [promoted(900, 0, Old::Dies), promoted(500, 0, Old::Dies)];
    let slower = promoted(900, -30, Old::Dies);
    run(Stage::of(2), [step(twice), step([slower]), step([slower, Fault::KillProcess(0)])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_primary_that_serves_half_of_its_sessions_or_leaves_them_silent_ends_with_right_rows_and_records() {
    run(Stage::of(2), [Old::KeepsHalfFor10s, Old::Vanishes].map(|old| step([promoted(500, 0, old)]))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_from_a_backup_ends_with_right_rows_and_records() {
    run(Stage::of(2), [step([Fault::Restore { age: Duration::from_secs(5) }])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_that_follow_each_other_while_processes_come_and_go_end_with_right_rows_and_records() {
    let restored = |seconds| Fault::Restore { age: Duration::from_secs(seconds) };
    let silent = |links| Fault::Swallow(links, Duration::from_secs(13), Then::TheyPass);
    let steps = [
        step([Fault::KillProcess(1), restored(2), restored(6)]),
        step([
            promoted(6_000, -30, Old::KeepsHalfFor10s),
            Fault::KillProcess(1),
            silent(Links::To(Broker::Coordinator)),
            silent(Links::Database),
        ]),
    ];
    run(Stage::of(2), steps).await;
}
