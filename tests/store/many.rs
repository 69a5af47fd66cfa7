//! So many users in one fold that their states are looked for where they lay, and what may happen to these meanwhile.

use segmenter::event::Event;
use segmenter::store::compare_and_set::{OutboxId, StateWrite, compare_and_set};
use segmenter::store::encoded_state::EncodedState;
use segmenter::store::extent::Extent;
use segmenter::store::states::{self, Asked};
use segmenter::store::{Store, sql};

use super::stopped::{Before, Stopped};
use super::*;
use crate::support::Database;

/// Makes users with these numbers exist on the platform; gives their names, in bytewise order.
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

async fn counters(database: &Database) -> Vec<(String, i64)> {
    sqlx::query_as("select user_id, counter from segmenter.profile_states order by user_id")
        .fetch_all(database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn first_states_and_known_ones_are_written_together() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..120).await;
    let store = store_on(database.pool()).await;
    let every_other: Vec<String> = names.iter().step_by(2).cloned().collect();
    let mut events = onboardings(&every_other, 1);
    apply(&store, &events).await;
    let later = onboardings(&names, 2);
    let (endings, changes) = apply(&store, &later).await;
    assert_eq!((endings, changes.len()), (vec![APPLIED; 120], 60), "of the others the ranking stays");
    events.extend(later);
    assert_table_equals_oracle(database.pool(), &events).await;
    let expected = names.iter().enumerate().map(|(index, name)| (name.clone(), if index % 2 == 0 { 2 } else { 1 }));
    assert_eq!(counters(&database).await, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn without_the_platforms_users_many_are_written_as_well() {
    let database = crate::support::postgres().fresh_database().await;
    crate::world::migrate(&database).await;
    let store = store_on(database.pool()).await;
    let names: Vec<String> = (0..100).map(|number| format!("whoever-{number}")).collect();
    let events = [onboardings(&names, 1), updates(&names, 2)];
    for batch in &events {
        let (endings, _) = apply(&store, batch).await;
        assert_eq!(endings, vec![APPLIED; 100]);
    }
    assert_table_equals_oracle(database.pool(), events.iter().flatten()).await;
}

#[tokio::test]
async fn what_was_changed_or_has_gone_since_being_read_is_not_written_and_all_else_is() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..100).await;
    let store = store_on(database.pool()).await;
    apply(&store, &onboardings(&names, 1)).await;
    let users: Vec<_> = names.iter().map(|name| crate::world::user(name)).collect();
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut connection = database.pool().acquire().await.unwrap();
    let read = states::read(&mut connection, &keys, Asked::OfStrangers).await.unwrap();
    let read: Vec<_> = read.users().map(|current| current.unwrap().unwrap()).collect();
    let states: Vec<EncodedState> = read.iter().map(|current| EncodedState::from(&current.state)).collect();
    let writes: Vec<StateWrite<'_>> = users
        .iter()
        .zip(&read)
        .zip(&states)
        .map(|((user, current), state)| {
            let over = current.version.as_ref();
            StateWrite { user, over, may_insert: false, state }
        })
        .collect();

    apply(&store, &[update("user-010", 2, vec![pace("LOW")])]).await;
    database.run("delete from users where id in ('user-020', 'user-030')").await;
    database.add_users(["user-030"]).await;
    apply(&store, &[onboarding("user-030", 3, vec![group("COUPLE")])]).await;
    // A row that is moved and stays what it was.
    database.run("update segmenter.profile_states set job_id = job_id where user_id = 'user-040'").await;

    for has_users in [true, false] {
        let reading = sql::begin_reading(&mut connection, Extent::Many).await.unwrap();
        let mut transaction = reading.begin_writing(Extent::Many).await.unwrap();
        let (won, _) = compare_and_set(&mut transaction, &writes, has_users, OutboxId::NotNeeded).await.unwrap();
        let lost: Vec<&str> = users.iter().filter(|user| !won.contains(user)).map(|user| user.as_str()).collect();
        assert_eq!(lost, ["user-010", "user-020", "user-030", "user-040"]);
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
    let stopped = Stopped::fold(&database, Before::States, &after).await;
    apply(&store, std::slice::from_ref(&meanwhile)).await;
    assert_eq!(stopped.go_on().await, (vec![APPLIED; 100], 1));
    assert_table_equals_oracle(database.pool(), before.iter().chain([&meanwhile]).chain(&after)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_state_that_another_process_writes_meanwhile_is_read_and_folded_again() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..100).await;
    let store = store_on(database.pool()).await;
    let (before, after) = (onboardings(&names[..70], 1), updates(&names, 3));
    apply(&store, &before).await;
    let stopped = Stopped::fold(&database, Before::States, &after).await;
    let meanwhile = onboarding("user-080", 2, vec![group("FAMILY")]);
    apply(&store, std::slice::from_ref(&meanwhile)).await;
    assert_eq!(stopped.go_on().await, (vec![APPLIED; 100], 1));
    assert_table_equals_oracle(database.pool(), before.iter().chain([&meanwhile]).chain(&after)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_goes_and_comes_back_meanwhile_gets_nothing_of_the_earlier_life() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..100).await;
    let store = store_on(database.pool()).await;
    let (before, after) = (onboardings(&names, 1), updates(&names, 3));
    apply(&store, &before).await;
    let stopped = Stopped::fold(&database, Before::States, &after).await;
    database.run("delete from users where id = 'user-050'").await;
    database.add_users(["user-050"]).await;
    assert_eq!(stopped.go_on().await, (vec![APPLIED; 100], 1));
    let of_this_life = before.iter().filter(|event| event.user.as_str() != "user-050");
    assert_table_equals_oracle(database.pool(), of_this_life.chain(&after)).await;
    let counters = counters(&database).await;
    let first: Vec<&str> =
        counters.iter().filter(|(_, counter)| *counter == 1).map(|(user, _)| user.as_str()).collect();
    assert_eq!((first, counters.len()), (vec!["user-050"], 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_a_row_who_goes_meanwhile_is_unknown_and_the_others_are_written() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..100).await;
    let store = store_on(database.pool()).await;
    // Whoever is not onboarded has a state and no row.
    let (before, after) = (updates(&names, 1), onboardings(&names, 3));
    apply(&store, &before).await;
    let stopped = Stopped::fold(&database, Before::States, &after).await;
    database.run("delete from users where id = 'user-050'").await;
    let (endings, folded_again) = stopped.go_on().await;
    assert_eq!(folded_again, 100, "where one of those has gone for whom something may be inserted, nothing is set");
    let unknown: Vec<usize> = (0..100).filter(|index| endings[*index] != APPLIED).collect();
    assert_eq!((unknown, &endings[50]), (vec![50], &Ending::UnknownUser));
    let of_the_others = before.iter().chain(&after).filter(|event| event.user.as_str() != "user-050");
    assert_table_equals_oracle(database.pool(), of_the_others).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_fold_the_same_two_hundred_users_at_once_lose_nothing() {
    let database = migrated_database().await;
    let names = add_users(&database, 0..200).await;
    let (one, other) = (store_on(database.pool()).await, store_on(database.pool()).await);
    let run = async |store: &Store, batches: &[Vec<Event>]| {
        for batch in batches {
            apply(store, batch).await;
        }
    };
    let (ups, downs): (Vec<_>, Vec<_>) =
        (0..6).map(|round| (onboardings(&names, round), updates(&names, round + 3))).unzip();
    tokio::join!(run(&one, &ups), run(&other, &downs));
    assert_table_equals_oracle(database.pool(), ups.iter().chain(&downs).flatten()).await;
}
