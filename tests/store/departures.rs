//! Users of the platform who go at the worst moments.

use std::time::Duration;

use segmenter::store::states::{self, StateWrite};

use super::*;
use crate::support::{Database, eventually};

async fn someone_waits_for_a_lock(database: &Database) -> bool {
    let waiting: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
    )
    .fetch_one(database.pool())
    .await
    .unwrap();
    waiting > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_goes_between_being_read_and_being_written_is_unknown_and_the_others_are_written() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    let mut leaving = database.pool().begin().await.unwrap();
    sqlx::query("delete from users where id = 'ann'").execute(&mut *leaving).await.unwrap();
    let events = [update("ann", 2, vec![group("FAMILY")]), onboarding("bob", 2, vec![group("COUPLE")])];
    let applying = tokio::spawn({
        let (store, events) = (store.clone(), events.clone());
        async move { apply(&store, &events).await }
    });
    eventually(Duration::from_secs(30), "the fold to wait for the delete", || someone_waits_for_a_lock(&database))
        .await;
    leaving.commit().await.unwrap();
    let (endings, _) = applying.await.unwrap();
    assert_eq!(endings, [Ending::UnknownUser, APPLIED]);
    assert_table_equals_oracle(database.pool(), [&events[1]]).await;
}

#[tokio::test]
async fn a_user_who_went_and_came_back_since_being_read_gets_nothing_of_the_earlier_life() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    let mut connection = database.pool().acquire().await.unwrap();
    let read = states::read(&mut connection, &["ann"], true).await.unwrap();
    let known = read.users.into_iter().next().unwrap().unwrap();
    assert_eq!(known.counter, 1);
    database.run("delete from users").await;
    database.add_users(["ann"]).await;
    let again = states::read(&mut connection, &["ann"], true).await.unwrap();
    assert!(again.users[0].as_ref().unwrap().known, "the platform knows her again");
    let user = crate::world::user("ann");
    let write = StateWrite { user: &user, counter: known.counter, state: &known.state };
    let won = states::compare_and_set(&mut connection, &[write], true).await.unwrap();
    assert!(won.is_empty());
    let states: i64 =
        sqlx::query_scalar("select count(*) from segmenter.profile_states").fetch_one(database.pool()).await.unwrap();
    assert_eq!(states, 0);
}
