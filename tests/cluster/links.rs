//! Networks that drop packets: connections stay open and nothing arrives, on one link and not on the others.

use std::time::Duration;

use super::bed::Stage;
use super::schedule::{Broker, Fault, Links, Step, run};

/// Each of the links is silent for 20 seconds, one after the other.
async fn swallowed<const N: usize>(links: [Links; N]) {
    let step = |links| Step::new([Fault::Swallow(links, Duration::from_secs(20))], 45, 30);
    run(Stage::of(2), links.map(step)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_to_the_database_loses_nothing_and_hangs_nothing() {
    swallowed([Links::Databases, Links::Database]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_to_any_broker_loses_nothing_and_hangs_nothing() {
    swallowed([0, 1, 2].map(|broker| Links::To(Broker::Number(broker)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_cut_off_from_its_coordinator_or_from_everything_else_loses_nothing() {
    swallowed([Links::To(Broker::Coordinator), Links::ToAllBut(Broker::Coordinator)]).await;
}
