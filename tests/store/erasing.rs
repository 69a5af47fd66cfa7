//! Erasures at the same time as other writes of the user.

use std::time::Duration;

use segmenter::domain::event::Event;
use segmenter::store::Store;
use segmenter::store::lookup;

use super::deleted_users::a_session_waits_for_a_lock;
use super::stopped::Stopped;
use super::*;
use crate::support::{Database, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_misses_no_row_whose_vector_becomes_a_learned_one_meanwhile() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    let erasing = Stopped::at(&database, "before delete on user_vectors", &[tombstone("ann", 2)]).await;
    let learn = r#"update user_vectors set source = 'behavior' where "userId" = 'ann'"#;
    let pool = database.pool().clone();
    let learning = tokio::spawn(async move { sqlx::query(learn).execute(&pool).await.unwrap().rows_affected() });
    eventually(Duration::from_secs(30), "the row to be learned, or locked by the erasure", || async {
        learning.is_finished() || a_session_waits_for_a_lock(&database).await
    })
    .await;
    assert_eq!(erasing.go_on().await.0, [APPLIED]);
    assert_eq!(learning.await.unwrap(), 0, "the erasure came first, and deleted the row");
    assert!(table(database.pool()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_waits_for_a_row_to_become_a_learned_one_clears_it() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    // The row is learned when the erasure reaches it, which waits for this transaction.
    let mut learning = database.pool().begin().await.unwrap();
    sqlx::query("update user_vectors set source = 'hybrid'").execute(&mut *learning).await.unwrap();
    let erasing = tokio::spawn(async move { apply(&store, &[tombstone("ann", 2)]).await });
    eventually(Duration::from_secs(30), "the erasure to wait for the row", || a_session_waits_for_a_lock(&database))
        .await;
    learning.commit().await.unwrap();
    assert_eq!(erasing.await.unwrap().0, [APPLIED]);
    let rows: Vec<(String, bool)> =
        sqlx::query_as("select source, segments is null from user_vectors").fetch_all(database.pool()).await.unwrap();
    assert_eq!(rows, [("hybrid".to_owned(), true)]);
}

/// A platform without users, a store, and two events of a user that is created later: the first state, and an erasure that
/// is newer.
async fn user_being_created() -> (Database, Store, [Event; 1], [Event; 1]) {
    let database = migrated_database().await;
    let store = store_on(database.pool()).await;
    (database, store, [onboarding("ann", 3, vec![group("SOLO")])], [tombstone("ann", 5)])
}

/// No data of the user is left, and the last change to publish, if there is any, is a tombstone.
async fn assert_erased(database: &Database, store: &Store) {
    let state = lookup::state(&store.pool, &crate::world::user("ann")).await.unwrap().unwrap();
    assert_eq!(state.profile.erased_at(), Some(crate::world::time(5)));
    assert_eq!(state.profile.registers().len(), 0, "{:?}", state.profile);
    assert!(table(database.pool()).await.is_empty());
    assert!(state.last_published.is_none_or(|last| last.ranking().is_none()));
}

/// The moments of an erasure of a user that it finds not to be in `users`: before it is written, and before it is committed.
const ERASURE: [&str; 2] = ["before insert on segmenter.deleted_users", "after insert on segmenter.deleted_users"];
/// The moments of the fold of a first state: before it is written, and before it is committed.
const FIRST_STATE: [&str; 2] =
    ["before insert on segmenter.profile_states", "after insert on segmenter.profile_states"];

#[tokio::test(flavor = "multi_thread")]
async fn a_first_state_that_is_committed_while_the_users_erasure_is_in_flight_is_erased() {
    for moment in ERASURE {
        let (database, store, first, erasure) = user_being_created().await;
        let erasing = Stopped::at(&database, moment, &erasure).await;
        database.add_users(["ann"]).await;
        let (outcomes, changes) = apply(&store, &first).await;
        assert_eq!((outcomes, changes.len()), (vec![APPLIED], 1));
        assert_eq!(erasing.go_on().await.0, [APPLIED]);
        assert_erased(&database, &store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_state_that_is_in_flight_when_the_users_erasure_is_committed_is_erased() {
    for (erased, folded) in ERASURE.into_iter().flat_map(|erased| FIRST_STATE.map(|folded| (erased, folded))) {
        let (database, store, first, erasure) = user_being_created().await;
        let erasing = Stopped::at(&database, erased, &erasure).await;
        database.add_users(["ann"]).await;
        let folding = Stopped::at(&database, folded, &first).await;
        erasing.open().await;
        eventually(Duration::from_secs(30), "the erasure to end, or to wait for the first state", || async {
            erasing.has_ended() || a_session_waits_for_a_lock(&database).await
        })
        .await;
        folding.go_on().await;
        assert_eq!(erasing.go_on().await.0, [APPLIED]);
        assert_erased(&database, &store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_delivered_again_erases_a_first_state_that_was_in_flight_when_its_process_died() {
    for moment in FIRST_STATE {
        let (database, store, first, erasure) = user_being_created().await;
        database.add_users(["ann"]).await;
        let folding = Stopped::at(&database, moment, &first).await;
        // Committed by a process that found no user, and died.
        let erased_at = erasure[0].stamp.time.0;
        database
            .run(format!("insert into segmenter.deleted_users (user_id, erased_at) values ('ann', {erased_at})"))
            .await;
        let erasing = tokio::spawn({
            let (store, erasure) = (store.clone(), erasure.clone());
            async move { apply(&store, &erasure).await }
        });
        eventually(Duration::from_secs(30), "the erasure to end, or to wait for the first state", || async {
            erasing.is_finished() || a_session_waits_for_a_lock(&database).await
        })
        .await;
        folding.go_on().await;
        erasing.await.unwrap();
        assert_erased(&database, &store).await;
    }
}

#[tokio::test]
async fn a_user_created_after_an_erasure_was_committed_gets_nothing_older_and_one_outcome_a_record() {
    let (database, store, first, erasure) = user_being_created().await;
    let events = [erasure[0].clone(), first[0].clone(), tombstone("ann", 4)];
    let (outcomes, _) = apply(&store, &events).await;
    assert_eq!(outcomes, [APPLIED, Err(Rejection::unknown_user()), Ok(Outcome::Stale)]);
    database.add_users(["ann"]).await;
    let (outcomes, changes) = apply(&store, &first).await;
    assert_eq!((outcomes, changes.len()), (vec![Ok(Outcome::Stale)], 0));
    assert_erased(&database, &store).await;
}
