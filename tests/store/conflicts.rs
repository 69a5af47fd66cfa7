//! Conflicts: states that change, and users that are deleted, between the read and the write of a fold.

use std::collections::BTreeMap;
use std::time::Duration;

use segmenter::domain::event::Event;
use segmenter::store::apply::Progress;
use segmenter::store::compare_and_set::{StateWrite, compare_and_set};
use segmenter::store::error::ErrorClass;
use segmenter::store::sql::Sessions;
use segmenter::store::states::{self, UserCheck};

use super::deleted_users::a_session_waits_for_a_lock;
use super::stopped::Stopped;
use super::*;
use crate::support::{Database, eventually};

/// Adds users with these numbers to `users`; returns their names, in bytewise order.
pub async fn add_users(database: &Database, numbers: std::ops::Range<usize>) -> Vec<String> {
    let names: Vec<String> = numbers.map(|number| format!("user-{number:03}")).collect();
    database.add_users(names.iter().map(String::as_str)).await;
    names
}

pub fn onboardings(names: &[String], at: i64) -> Vec<Event> {
    names.iter().map(|name| onboarding(name, at, vec![group("SOLO")])).collect()
}

fn updates(names: &[String], at: i64) -> Vec<Event> {
    names.iter().map(|name| update(name, at, vec![pace("LOW"), budget(5.0, 50.0)])).collect()
}

async fn counters(database: &Database) -> BTreeMap<String, i64> {
    let counters: Vec<(String, i64)> = sqlx::query_as("select user_id, counter from segmenter.profile_states")
        .fetch_all(database.pool())
        .await
        .unwrap();
    counters.into_iter().collect()
}

#[tokio::test]
async fn first_states_and_known_ones_are_written_together_and_every_write_moves_the_counter() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..120).await;
    let store = store_on(database.pool()).await;
    let every_other: Vec<String> = names.iter().step_by(2).cloned().collect();
    let mut events = onboardings(&every_other, 1);
    apply(&store, &events).await;
    let before = counters(&database).await;
    let later = onboardings(&names, 2);
    let (outcomes, changes) = apply(&store, &later).await;
    assert_eq!((outcomes, changes.len()), (vec![APPLIED; 120], 60), "the ranking of the others stays");
    events.extend(later);
    assert_table_equals_oracle(database.pool(), &events).await;
    let after = counters(&database).await;
    assert_eq!((before.len(), after.len()), (60, 120));
    assert!(before.iter().all(|(user, counter)| after[user] == counter + 1));
}

#[tokio::test]
async fn a_state_that_was_changed_since_being_read_is_not_written_and_the_others_are() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..100).await;
    let store = store_on(database.pool()).await;
    apply(&store, &onboardings(&names, 1)).await;
    let users: Vec<_> = names.iter().map(|name| crate::world::user(name)).collect();
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut connection = database.pool().acquire().await.unwrap();
    let read = states::read(&mut connection, &keys, UserCheck::NewUsers, &Sessions::own()).await.unwrap();
    let read: Vec<_> = read.users.into_iter().map(Result::unwrap).collect();
    let pairs = users.iter().zip(&read);
    let writes: Vec<StateWrite<'_>> = pairs
        .map(|(user, current)| StateWrite { user, over: current.counter, may_insert: false, state: &current.state })
        .collect();

    apply(&store, &[update("user-010", 2, vec![pace("LOW")])]).await;
    // A second life with as many writes as the first.
    database.run("delete from users where id = 'user-030'").await;
    database.add_users(["user-030"]).await;
    apply(&store, &[onboarding("user-030", 3, vec![group("COUPLE")])]).await;

    for has_users in [true, false] {
        let mut transaction = database.pool().begin().await.unwrap();
        let written = compare_and_set(&mut transaction, &writes, has_users, &Sessions::own()).await.unwrap();
        let lost: Vec<&str> = keys.iter().copied().filter(|user| !written.contains(*user)).collect();
        assert_eq!(lost, ["user-010", "user-030"]);
        transaction.rollback().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_user_whose_state_another_process_writes_meanwhile_is_folded_again() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..100).await;
    let store = store_on(database.pool()).await;
    let (before, meanwhile, after) =
        (onboardings(&names, 1), update("user-050", 2, vec![pace("HIGH")]), updates(&names, 3));
    apply(&store, &before).await;
    let stopped = Stopped::fold(&database, &after).await;
    apply(&store, std::slice::from_ref(&meanwhile)).await;
    let (outcomes, tally) = stopped.go_on().await;
    assert_eq!((outcomes, tally.conflicts), (vec![APPLIED; 100], 1));
    assert_table_equals_oracle(database.pool(), before.iter().chain([&meanwhile]).chain(&after)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_state_that_another_process_writes_meanwhile_is_read_and_folded_again() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..100).await;
    let store = store_on(database.pool()).await;
    let (before, after) = (onboardings(&names[..70], 1), updates(&names, 3));
    apply(&store, &before).await;
    let stopped = Stopped::fold(&database, &after).await;
    let meanwhile = onboarding("user-080", 2, vec![group("FAMILY")]);
    apply(&store, std::slice::from_ref(&meanwhile)).await;
    let (outcomes, tally) = stopped.go_on().await;
    assert_eq!((outcomes, tally.conflicts), (vec![APPLIED; 100], 1));
    assert_table_equals_oracle(database.pool(), before.iter().chain([&meanwhile]).chain(&after)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_deleted_and_created_again_meanwhile_gets_nothing_of_the_earlier_life() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..100).await;
    let store = store_on(database.pool()).await;
    let (before, after) = (onboardings(&names, 1), updates(&names, 3));
    apply(&store, &before).await;
    let first_life = counters(&database).await;
    let stopped = Stopped::fold(&database, &after).await;
    database.run("delete from users where id = 'user-050'").await;
    database.add_users(["user-050"]).await;
    let (outcomes, tally) = stopped.go_on().await;
    assert_eq!((outcomes, tally.retries), (vec![APPLIED; 100], 1), "the whole fold is repeated");
    let of_this_life = before.iter().filter(|event| event.user.as_str() != "user-050");
    assert_table_equals_oracle(database.pool(), of_this_life.chain(&after)).await;
    let moved_on = |(user, counter): (&String, &i64)| first_life[user] + 1 == *counter;
    let anew: Vec<String> = counters(&database)
        .await
        .into_iter()
        .filter(|(user, counter)| !moved_on((user, counter)))
        .map(|(user, _)| user)
        .collect();
    assert_eq!(anew, ["user-050"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_a_row_deleted_meanwhile_is_unknown_and_the_others_are_written() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..100).await;
    let store = store_on(database.pool()).await;
    // A user that is not onboarded has a state and no row.
    let (before, after) = (updates(&names, 1), onboardings(&names, 3));
    apply(&store, &before).await;
    let mut leaving = database.pool().begin().await.unwrap();
    sqlx::query("delete from users where id = 'user-050'").execute(&mut *leaving).await.unwrap();
    let applying = tokio::spawn({
        let (store, events) = (store.clone(), after.clone());
        async move { apply(&store, &events).await }
    });
    eventually(Duration::from_secs(30), "the fold to wait for the delete", || a_session_waits_for_a_lock(&database))
        .await;
    leaving.commit().await.unwrap();
    let (outcomes, _) = applying.await.unwrap();
    let unknown: Vec<usize> = (0..100).filter(|index| outcomes[*index] != APPLIED).collect();
    assert_eq!((unknown, &outcomes[50]), (vec![50], &Err(Rejection::unknown_user())));
    let of_the_others = before.iter().chain(&after).filter(|event| event.user.as_str() != "user-050");
    assert_table_equals_oracle(database.pool(), of_the_others).await;
}

/// The users whose row is not the one after these events.
async fn users_behind(database: &Database, events: &[Event]) -> Vec<String> {
    let (found, expected) = (table(database.pool()).await, crate::world::oracle(events));
    expected.into_iter().filter(|(user, row)| found.get(user) != Some(row)).map(|(user, _)| user).collect()
}

#[tokio::test]
async fn a_row_that_another_session_locks_holds_up_only_its_user_and_no_item_of_it_is_lost_or_refused() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..500).await;
    let store = store_on(database.pool()).await;
    let locks = [
        ("first states", r#"select from users where id in ('user-123', 'user-250') for update"#),
        ("known ones", r#"select from user_vectors where "userId" in ('user-123', 'user-250') for update"#),
    ];
    let mut events = Vec::new();
    for ((which, lock), at) in locks.into_iter().zip([1, 10]) {
        // Two events of each user: the order of a user's events is kept.
        let later = [onboardings(&names, at), updates(&names, at + 1)].concat();
        events.extend(later.clone());
        let mut locking = database.pool().begin().await.unwrap();
        sqlx::query(lock).execute(&mut *locking).await.unwrap();
        let mut progress = Progress::new(&later);
        for _ in 0..2 {
            let error = store.advance(&mut progress).await.unwrap_err();
            assert_eq!(error.class(), Some(ErrorClass::Conflict), "{which}");
            assert!(error.detail().contains("wait: 2") && error.detail().contains("55P03"), "{which}: {error}");
            assert_eq!(users_behind(&database, &events).await, ["user-123", "user-250"], "{which}");
        }
        locking.commit().await.unwrap();
        store.advance(&mut progress).await.unwrap();
        assert_eq!(progress.into_outcomes().collect::<Vec<_>>(), vec![APPLIED; 1000], "{which}");
        assert_table_equals_oracle(database.pool(), &events).await;
    }
}

#[tokio::test]
async fn a_lock_on_every_row_of_a_batch_costs_a_bounded_number_of_attempts_and_nothing_else() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..500).await;
    let store = store_on(database.pool()).await;
    let events = onboardings(&names, 1);
    let mut locking = database.pool().begin().await.unwrap();
    sqlx::query("select from users for update").execute(&mut *locking).await.unwrap();
    let mut progress = Progress::new(&events);
    let started = std::time::Instant::now();
    let error = store.advance(&mut progress).await.unwrap_err();
    assert!(error.detail().contains("wait: 500"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    locking.commit().await.unwrap();
    store.advance(&mut progress).await.unwrap();
    assert_eq!(progress.into_outcomes().collect::<Vec<_>>(), vec![APPLIED; 500]);
    assert_table_equals_oracle(database.pool(), &events).await;
}
