//! Users that the platform deletes while a fold of theirs is in flight.

use std::time::Duration;

use segmenter::store::compare_and_set::{StateWrite, compare_and_set};
use segmenter::store::error::{ErrorClass, StoreError};
use segmenter::store::sql::Sessions;
use segmenter::store::states::{self, Current, UserCheck};
use sqlx::postgres::PgConnection;

use super::*;
use crate::support::{Database, eventually};

pub async fn a_session_waits_for_a_lock(database: &Database) -> bool {
    let waiting: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
    )
    .fetch_one(database.pool())
    .await
    .unwrap();
    waiting > 0
}

async fn read(connection: &mut PgConnection, user: &str) -> Current {
    let snapshot = states::read(connection, &[user], UserCheck::NewUsers, &Sessions::own()).await.unwrap();
    snapshot.users.into_iter().next().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_deleted_between_read_and_write_is_unknown_and_the_others_are_written() {
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
    eventually(Duration::from_secs(30), "the fold to wait for the delete", || a_session_waits_for_a_lock(&database))
        .await;
    leaving.commit().await.unwrap();
    let (outcomes, _) = applying.await.unwrap();
    assert_eq!(outcomes, [Err(Rejection::unknown_user()), APPLIED]);
    assert_table_equals_oracle(database.pool(), [&events[1]]).await;
}

#[tokio::test]
async fn a_user_deleted_and_created_again_since_the_read_gets_nothing_of_the_earlier_life() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    let mut connection = database.pool().acquire().await.unwrap();
    let known = read(&mut connection, "ann").await;
    assert!(known.counter.is_some());
    database.run("delete from users").await;
    database.add_users(["ann"]).await;
    assert!(read(&mut connection, "ann").await.known, "the user exists again");
    let user = crate::world::user("ann");
    let write = StateWrite { user: &user, over: known.counter, may_insert: false, state: &known.state };
    for has_users in [true, false] {
        let mut transaction = database.pool().begin().await.unwrap();
        let writes = std::slice::from_ref(&write);
        let error = compare_and_set(&mut transaction, writes, has_users, &Sessions::own()).await.unwrap_err();
        assert!(matches!(error, StoreError::UserReturned), "{error}");
        assert_eq!(error.class(), Some(ErrorClass::Conflict), "read again and folded again");
        transaction.rollback().await.unwrap();
    }
    let states: i64 =
        sqlx::query_scalar("select count(*) from segmenter.profile_states").fetch_one(database.pool()).await.unwrap();
    assert_eq!(states, 0);
}

#[tokio::test]
async fn a_renamed_user_with_the_key_of_a_deleted_one_gets_nothing_of_that_ones_data() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    apply(&store, &[update("ann", 2, vec![pace("LOW")]), onboarding("bob", 1, vec![group("COUPLE")])]).await;
    let mut connection = database.pool().acquire().await.unwrap();
    let known = read(&mut connection, "ann").await;
    // The rename is the second write of that state, like the update was of the read one.
    database.run("delete from users where id = 'ann'; update users set id = 'ann' where id = 'bob'").await;
    let user = crate::world::user("ann");
    let write = StateWrite { user: &user, over: known.counter, may_insert: false, state: &known.state };
    let written = compare_and_set(&mut connection, &[write], true, &Sessions::own()).await.unwrap();
    assert!(written.is_empty(), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_waits_for_a_fold_which_waits_for_it_goes_through() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 1, vec![group("SOLO")]), onboarding("bob", 1, vec![group("SOLO")])]).await;
    let mut leaving = database.pool().begin().await.unwrap();
    sqlx::query(r#"update user_vectors set version = 2 where "userId" = 'ann'"#).execute(&mut *leaving).await.unwrap();
    let events = [update("ann", 2, vec![group("FAMILY")]), update("bob", 2, vec![group("COUPLE")])];
    let applying = tokio::spawn(async move { apply(&store, &events).await });
    eventually(Duration::from_secs(30), "the fold to wait for the row", || a_session_waits_for_a_lock(&database)).await;
    // The fold holds the user's state, for which the delete's cascade waits.
    sqlx::query("delete from users where id = 'ann'").execute(&mut *leaving).await.unwrap();
    leaving.commit().await.unwrap();
    let (outcomes, _) = applying.await.unwrap();
    assert_eq!(outcomes, [Err(Rejection::unknown_user()), APPLIED]);
}

#[tokio::test]
async fn users_with_a_row_are_not_locked() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    let locked = "select id from users where xmax <> 0 order by id";
    database.run("update users set \"updatedAt\" = now()").await;
    apply(&store, &[update("ann", 2, vec![group("FAMILY")]), onboarding("bob", 2, vec![group("COUPLE")])]).await;
    let ids: Vec<String> = sqlx::query_scalar(locked).fetch_all(database.pool()).await.unwrap();
    assert_eq!(ids, ["bob"]);
}

#[tokio::test]
async fn a_state_that_outlived_its_user_blocks_no_other_user() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    let without_triggers = "begin; set local session_replication_role = replica; delete from user_vectors;
         delete from users where id = 'ann'; commit";
    database.run(without_triggers).await;
    let events = [update("ann", 2, vec![group("FAMILY")]), onboarding("bob", 2, vec![group("COUPLE")])];
    let (outcomes, _) = apply(&store, &events).await;
    assert_eq!(outcomes, [Err(Rejection::unknown_user()), APPLIED]);
}
