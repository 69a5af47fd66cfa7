//! Erasures at the same time as other writes of the user.

use std::time::Duration;

use super::deleted_users::a_session_waits_for_a_lock;
use super::stopped::Stopped;
use super::*;
use crate::support::eventually;

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
