//! The database goes back in time: a standby that had not received the last commits is promoted, or a backup is restored.

use std::time::Duration;

use super::bed::Stage;
use super::schedule::{Fault, Old, Step, run};

/// The standby is promoted with this many milliseconds of commits lost.
fn promoted(lost: u64) -> Fault {
    Fault::Promote { lost: Duration::from_millis(lost), clock: 0, old: Old::Dies }
}

fn step<const N: usize>(faults: [Fault; N]) -> Step {
    Step::new(faults, 20, 30)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_received_every_commit_costs_a_pause() {
    run(Stage::of(2), [step([promoted(0)])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_lost_commits_ends_with_right_rows_and_records() {
    run(Stage::of(2), [100, 500, 900, 6_000].map(|lost| step([promoted(lost)]))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_promotions_in_a_row_and_a_server_with_a_slower_clock_end_with_right_rows_and_records() {
    let slower = Fault::Promote { lost: Duration::from_millis(900), clock: -30, old: Old::Dies };
    run(Stage::of(2), [step([promoted(900), promoted(500)]), step([slower])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_primary_that_keeps_half_of_the_sessions_for_ten_seconds_ends_with_right_rows_and_records() {
    let old = Old::KeepsHalfFor10s;
    run(Stage::of(2), [step([Fault::Promote { lost: Duration::from_millis(500), clock: 0, old }])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_primary_whose_sessions_stay_open_and_silent_ends_with_right_rows_and_records() {
    let old = Old::Vanishes;
    run(Stage::of(2), [step([Fault::Promote { lost: Duration::from_millis(500), clock: 0, old }])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_from_a_backup_ends_with_right_rows_and_records() {
    run(Stage::of(2), [step([Fault::Restore { age: Duration::from_secs(5) }])]).await;
}
