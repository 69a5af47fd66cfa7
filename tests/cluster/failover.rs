//! The database goes back in time: a standby that had not received the last commits is promoted, or a backup is restored.

use std::time::Duration;

use super::schedule::{Fault, Old, Step, run};

const fn step(faults: &[Fault]) -> Step<'_> {
    Step { faults, stall: Duration::from_secs(20), right: Duration::from_secs(30) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_received_every_commit_costs_a_pause() {
    run(2, &[step(&[Fault::promote(0)])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_that_lost_commits_ends_with_right_rows_and_records() {
    const STEPS: &[Step<'_>] = &[
        step(&[Fault::promote(100)]),
        step(&[Fault::promote(500)]),
        step(&[Fault::promote(900)]),
        step(&[Fault::promote(6_000)]),
    ];
    run(2, STEPS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_promotions_in_a_row_and_a_server_with_a_slower_clock_end_with_right_rows_and_records() {
    const STEPS: &[Step<'_>] = &[
        step(&[Fault::promote(900), Fault::promote(500)]),
        step(&[Fault::Promote { lost: Duration::from_millis(900), clock: -30, old: Old::Dies }]),
    ];
    run(2, STEPS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_primary_that_keeps_half_of_the_sessions_for_ten_seconds_ends_with_right_rows_and_records() {
    let old = Old::KeepsHalfFor(Duration::from_secs(10));
    run(2, &[step(&[Fault::Promote { lost: Duration::from_millis(500), clock: 0, old }])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_from_a_backup_ends_with_right_rows_and_records() {
    run(2, &[step(&[Fault::Restore { age: Duration::from_secs(5) }])]).await;
}
