//! Convergence: the same events in random orders, with duplicates, leave the same table.

use segmenter::codec::Decoded;
use segmenter::domain::event::{Event, Kind};

use super::rounds;
use crate::scene::{Numbers, Scene, decode, history, record};
use crate::support::OwnedRecord;
use crate::world::{ExpectedRow, apply, assert_table_equals_oracle, migrated_database, oracle, store_on, table};

const USERS: u64 = 300;

fn shuffle<T>(items: &mut [T], numbers: &mut Numbers) {
    for last in (1..items.len()).rev() {
        let other = usize::try_from(numbers.below(last as u64 + 1)).unwrap();
        items.swap(last, other);
    }
}

/// Decodes a history as if it had been read from topics.
fn events(history: &[(bool, String, serde_json::Value)]) -> Vec<Event> {
    let event = |(is_onboarding, user, value): &(bool, String, serde_json::Value)| {
        let kind = if *is_onboarding { Kind::OnboardingCompleted } else { Kind::ProfileUpdated };
        let produced = record(user, value);
        let read = OwnedRecord {
            partition: 0,
            offset: 0,
            key: produced.key,
            value: produced.value,
            headers: Vec::new(),
            timestamp: Some(1_790_000_000_000),
        };
        match decode(&read, "topic", kind) {
            Decoded::Event(event) => event,
            other => panic!("{other:?}"),
        }
    };
    history.iter().map(event).collect()
}

#[test]
fn ten_thousand_events_in_twenty_orders_merge_to_the_same_rows() {
    let mut events = events(&history(USERS, 10_000, 91));
    let expected = oracle(&events);
    let mut numbers = Numbers(92);
    for _ in 0..20 {
        shuffle(&mut events, &mut numbers);
        assert!(oracle(&events) == expected, "the result depends on the order");
    }
}

/// The table after folding these events in batches of random sizes.
async fn table_after(events: &[Event], numbers: &mut Numbers) -> std::collections::BTreeMap<String, ExpectedRow> {
    let database = migrated_database().await;
    let names: Vec<String> = (0..USERS).map(|number| format!("user-{number}")).collect();
    database.add_users(names.iter().map(String::as_str)).await;
    let store = store_on(database.pool()).await;
    let mut rest = events;
    while !rest.is_empty() {
        let size = usize::try_from(1 + numbers.below(800)).unwrap().min(rest.len());
        apply(&store, &rest[..size]).await;
        rest = &rest[size..];
    }
    table(database.pool()).await
}

#[tokio::test]
async fn thousands_of_events_in_many_orders_and_batches_leave_the_same_table() {
    let mut events = events(&history(USERS, rounds(2_000, 10_000), 93));
    let mut numbers = Numbers(94);
    let first = table_after(&events, &mut numbers).await;
    assert!(!first.is_empty());
    for _ in 1..rounds(5, 20) {
        shuffle(&mut events, &mut numbers);
        assert!(table_after(&events, &mut numbers).await == first, "the result depends on order or batches");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_events_in_another_order_through_kafka_leave_the_same_table() {
    let mut history = history(USERS, 2_000, 93);
    let expected = events(&history);
    shuffle(&mut history, &mut Numbers(95));
    let scene = Scene::new(3).await;
    scene.add_users(USERS).await;
    scene.produce(&history).await;
    let _process = scene.serve();
    scene.settled().await;
    scene.assert_right().await;
    assert_table_equals_oracle(scene.database.pool(), &expected).await;
}
