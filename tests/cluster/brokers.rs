//! Brokers restart and die: other brokers take over, and a partition without replicas goes on when its broker is back.

use std::time::Duration;

use super::bed::Stage;
use super::schedule::{Broker, Fault, Step, run};

/// How long a dead broker stays dead.
const DEAD: Duration = Duration::from_secs(7);

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_restart_and_leaders_coordinators_and_controllers_that_die_cost_a_pause() {
    let faults = [
        Fault::Restarts,
        Fault::Kill(Broker::Leader, DEAD),
        Fault::Kill(Broker::Coordinator, DEAD),
        Fault::Kill(Broker::Controller, DEAD),
        Fault::PauseBroker(Broker::Leader, DEAD),
    ];
    run(Stage::of(2), faults.map(|fault| Step::new([fault], 15, 30))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_brokers_of_three_that_die_and_come_back_stop_everything_only_while_they_are_gone() {
    run(Stage::of(2), [Step::new([Fault::KillTwo(DEAD)], 45, 30)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_without_a_leader_stops_itself_only_when_a_process_joins_meanwhile() {
    let stage = Stage { updates_are_on: Some(1), ..Stage::of(2) };
    let faults = [Fault::KillAndJoin(1, Duration::from_secs(25))];
    run(stage, [Step::new(faults, 15, 30)]).await;
}
