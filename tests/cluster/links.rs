//! Networks that drop packets: connections stay open and nothing arrives, on one link and not on the others.

use std::time::Duration;

use super::bed::Stage;
use super::schedule::{Broker, Fault, Links, Step, Then, run};

/// Each of the links is silent for 20 seconds, one after the other.
async fn swallowed<const N: usize>(links: [(Links, Then); N]) {
    let step = |(links, then)| Step::new([Fault::Swallow(links, Duration::from_secs(20), then)], 45, 30);
    run(Stage::of(2), links.map(step)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_to_the_database_loses_nothing_and_hangs_nothing() {
    swallowed([(Links::Databases, Then::TheyAreLost), (Links::Database, Then::TheyPass)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_to_any_broker_or_to_all_but_the_coordinator_loses_nothing_and_hangs_nothing() {
    let to = |broker| Links::To(Broker::Number(broker));
    swallowed([
        (to(0), Then::TheyPass),
        (to(1), Then::TheyAreLost),
        (to(2), Then::TheyPass),
        (Links::ToAllBut(Broker::Coordinator), Then::TheyPass),
    ])
    .await;
}
