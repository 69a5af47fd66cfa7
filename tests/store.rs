//! The store on a real PostgreSQL: one transaction a fold, only our columns, and a rejected record blocks no other user.

mod conflicts;
mod deleted_users;
mod erasing;
mod page;
mod plans;
mod pool;
mod stopped;

use segmenter::domain::event::{Reason, Rejection};
use segmenter::domain::profile::Outcome;
use segmenter::domain::ranking_change::ChangeBody;
use segmenter::store::outbox;
use segmenter::store::task::ItemOutcome;

use crate::world::{
    apply, assert_table_equals_oracle, budget, group, migrated_database, onboarding, pace, store_on, table, tombstone,
    update,
};

const APPLIED: ItemOutcome = Ok(Outcome::Applied);
const UNCHANGED: ItemOutcome = Ok(Outcome::Unchanged);

#[tokio::test]
async fn a_batch_ends_as_rows_states_and_one_outbox_row() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob", "cy"]).await;
    let store = store_on(database.pool()).await;
    let events = [
        onboarding("bob", 5, vec![budget(10.0, 40.0), group("SOLO")]),
        onboarding("ann", 7, vec![budget(300.0, 900.0), group("COUPLE")]),
        update("ann", 9, vec![pace("LOW")]),
        update("cy", 3, vec![pace("HIGH")]),
    ];
    let (outcomes, changes) = apply(&store, &events).await;
    assert_eq!(outcomes, vec![APPLIED; 4]);
    assert_eq!(changes.len(), 2, "cy is not onboarded");
    assert_table_equals_oracle(database.pool(), &events).await;
    assert_eq!(outbox::depth(&store.pool).await.unwrap().rows, 1);
}

#[tokio::test]
async fn events_given_again_touch_no_row_and_publish_nothing() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    let events = [onboarding("ann", 7, vec![group("COUPLE")]), update("ann", 9, vec![pace("LOW")])];
    apply(&store, &events).await;
    let versions =
        "select (select xmin::text from public.user_vectors), (select xmin::text from segmenter.profile_states)";
    let before: (String, String) = sqlx::query_as(versions).fetch_one(database.pool()).await.unwrap();
    let (outcomes, changes) = apply(&store, &events).await;
    assert_eq!((outcomes, changes.len()), (vec![UNCHANGED, UNCHANGED], 0));
    let after: (String, String) = sqlx::query_as(versions).fetch_one(database.pool()).await.unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn one_unknown_user_among_a_thousand_events_is_the_only_one_refused() {
    let database = migrated_database().await;
    let names: Vec<String> = (0..999).map(|number| format!("user-{number}")).collect();
    database.add_users(names.iter().map(String::as_str)).await;
    let store = store_on(database.pool()).await;
    let mut events: Vec<_> = names.iter().map(|name| onboarding(name, 5, vec![group("SOLO")])).collect();
    events.insert(500, onboarding("unknown", 5, vec![group("SOLO")]));
    let (outcomes, changes) = apply(&store, &events).await;
    let refused: Vec<usize> = (0..1000).filter(|index| outcomes[*index] == Err(Rejection::unknown_user())).collect();
    assert_eq!((refused, changes.len()), (vec![500], 999));
    events.remove(500);
    assert_table_equals_oracle(database.pool(), &events).await;
}

#[tokio::test]
async fn a_record_that_the_database_refuses_is_isolated_and_its_users_other_events_are_kept() {
    let database = migrated_database().await;
    let names: Vec<String> = (0..100).map(|number| format!("user-{number}")).collect();
    database.add_users(names.iter().map(String::as_str)).await;
    database
        .run(r#"alter table user_vectors add constraint platform_rule check ("userId" <> 'user-42' or "lastSegmentUpdate" < '2026-01-01 00:00:01')"#)
        .await;
    let store = store_on(database.pool()).await;
    let mut events: Vec<_> = names.iter().map(|name| onboarding(name, 5, vec![group("SOLO")])).collect();
    events.push(update("user-42", 5_000, vec![pace("LOW")]));
    let (outcomes, _) = apply(&store, &events).await;
    let Err(Rejection { reason: Reason::RejectedByDatabase, detail }) = &outcomes[100] else {
        panic!("{:?}", outcomes[100])
    };
    assert!(detail.contains("23514") && detail.contains("platform_rule"), "{detail}");
    assert!(!detail.contains("user-42"), "no data in {detail}");
    assert!(outcomes[..100].iter().all(|outcome| *outcome == APPLIED));
    assert_table_equals_oracle(database.pool(), &events[..100]).await;
}

#[tokio::test]
async fn learned_vectors_stay_and_a_row_of_the_platform_keeps_columns_that_are_not_ours() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob"]).await;
    database
        .run(
            r#"insert into user_vectors (id, "userId", vector, version, source, "usageCount", "updatedAt") values
               ('one', 'ann', '[1,2]', 7, 'behavior', 3, '2020-01-01'), ('two', 'bob', '[1,2]', 8, 'imported', 4, '2020-01-01')"#,
        )
        .await;
    let store = store_on(database.pool()).await;
    let events = [onboarding("ann", 5, vec![group("SOLO")]), onboarding("bob", 5, vec![group("SOLO")])];
    apply(&store, &events).await;
    let rows: Vec<(String, String, i32, String, i32, bool, bool)> = sqlx::query_as(
        r#"select id, "userId", version, source, "usageCount", vector = '[1,2]', "primarySegment" is not null from user_vectors order by id"#,
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    assert_eq!(rows[0], ("one".into(), "ann".into(), 7, "behavior".into(), 3, true, true));
    assert_eq!(rows[1], ("two".into(), "bob".into(), 8, "imported".into(), 4, false, true));
}

#[tokio::test]
async fn a_tombstone_deletes_the_row_or_clears_only_our_columns_of_a_learned_one() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob", "cy"]).await;
    let store = store_on(database.pool()).await;
    let events = ["ann", "bob"].map(|name| onboarding(name, 5, vec![group("SOLO")]));
    apply(&store, &events).await;
    database.run(r#"update user_vectors set source = 'hybrid' where "userId" = 'bob'"#).await;
    database
        .run(r#"insert into user_vectors (id, "userId", vector, "updatedAt") values ('three', 'cy', '[0]', now())"#)
        .await;
    let (outcomes, changes) = apply(&store, &["ann", "bob", "cy"].map(|name| tombstone(name, 9))).await;
    assert_eq!(outcomes, vec![APPLIED; 3]);
    let published: Vec<&str> = changes.iter().map(|change| change.user.as_str()).collect();
    assert_eq!(published, ["ann", "bob"], "of cy no change was published");
    assert!(changes.iter().all(|change| change.body.ranking().is_none()));
    let rows: Vec<(String, bool)> = sqlx::query_as(r#"select "userId", segments is null from user_vectors"#)
        .fetch_all(database.pool())
        .await
        .unwrap();
    assert_eq!(rows, [("bob".to_owned(), true)]);
    let (outcomes, _) = apply(&store, &events).await;
    assert_eq!(outcomes, vec![Ok(Outcome::Stale); 2], "older events do not bring a user back");
}

#[tokio::test]
async fn a_user_deleted_on_the_platform_leaves_a_tombstone_to_publish_and_may_be_created_again() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    let event = onboarding("ann", 5, vec![group("SOLO")]);
    let (_, changes) = apply(&store, std::slice::from_ref(&event)).await;
    let published = changes[0].revision;
    database.run("delete from users").await;
    let (taken, unreadable) = outbox::take_over(&store.pool, store.owner, store.lease, 10).await.unwrap();
    assert!(unreadable.is_empty());
    assert_eq!(taken.len(), 1, "the fold's own row is leased, the trigger's is not");
    let users = [crate::world::user("ann")];
    let now = outbox::last_published(&store.pool, &users.iter().collect::<Vec<_>>()).await.unwrap();
    assert!(now[0].body == (ChangeBody::Tombstone { erased_at: None }) && now[0].revision > published);
    let (outcomes, _) = apply(&store, std::slice::from_ref(&event)).await;
    assert_eq!(outcomes, [Err(Rejection::unknown_user())]);
    let (outcomes, _) = apply(&store, &[tombstone("ann", 7)]).await;
    assert_eq!(outcomes, [APPLIED], "a tombstone of a deleted user is applied");
    database.add_users(["ann"]).await;
    let later = onboarding("ann", 9, vec![group("SOLO")]);
    let (outcomes, changes) = apply(&store, &[event, later.clone()]).await;
    assert_eq!(outcomes, [Ok(Outcome::Stale), APPLIED]);
    assert!(changes[0].revision > now[0].revision, "revisions grow across the deletion");
    assert_table_equals_oracle(database.pool(), [&later]).await;
}

#[tokio::test]
async fn two_processes_that_fold_the_same_users_at_once_lose_nothing() {
    let database = migrated_database().await;
    let names: Vec<String> = (0..50).map(|number| format!("user-{number}")).collect();
    database.add_users(names.iter().map(String::as_str)).await;
    let (one, other) = (store_on(database.pool()).await, store_on(database.pool()).await);
    let onboardings: Vec<_> = (0..6)
        .map(|round| names.iter().map(|name| onboarding(name, round, vec![group("SOLO")])).collect::<Vec<_>>())
        .collect();
    let updates: Vec<_> = (0..6)
        .map(|round| {
            names.iter().map(|name| update(name, round + 3, vec![pace("LOW"), budget(5.0, 50.0)])).collect::<Vec<_>>()
        })
        .collect();
    let run = async |store: &segmenter::store::Store, batches: &[Vec<segmenter::domain::event::Event>]| {
        for batch in batches {
            apply(store, batch).await;
        }
    };
    tokio::join!(run(&one, &onboardings), run(&other, &updates));
    assert_table_equals_oracle(database.pool(), onboardings.iter().chain(&updates).flatten()).await;
}

#[tokio::test]
async fn a_derived_row_id_that_is_taken_gives_way_to_a_random_one() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 5, vec![group("SOLO")])]).await;
    database.run("update users set id = 'anna', email = 'anna@example.com'").await;
    database.add_users(["ann"]).await;
    let (outcomes, _) = apply(&store, &[onboarding("ann", 6, vec![group("COUPLE")])]).await;
    assert_eq!(outcomes, [APPLIED]);
    assert_eq!(table(database.pool()).await.len(), 2);
}

#[tokio::test]
async fn without_the_platforms_users_table_every_user_is_accepted() {
    let database = crate::support::postgres().fresh_database().await;
    crate::world::migrate(&database).await;
    let store = store_on(database.pool()).await;
    let events = [onboarding("unknown", 5, vec![group("SOLO")])];
    let (outcomes, _) = apply(&store, &events).await;
    assert_eq!(outcomes, [APPLIED]);
    assert_table_equals_oracle(database.pool(), &events).await;
}

#[tokio::test]
async fn times_are_utc_in_every_time_zone_of_the_database() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    database.run(format!("alter database {} set timezone = 'Pacific/Auckland'", database.name())).await;
    let pool = sqlx::PgPool::connect(database.url()).await.unwrap();
    let store = store_on(&pool).await;
    apply(&store, &[onboarding("ann", 5, vec![group("SOLO")])]).await;
    let close: bool = sqlx::query_scalar(
        r#"select abs(extract(epoch from "updatedAt" - (now() at time zone 'UTC'))) < 60 and abs(extract(epoch from "createdAt" - "updatedAt")) < 1 from user_vectors"#,
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(close);
}

#[tokio::test]
async fn a_foreign_key_of_the_platforms_that_stays_violated_blocks_no_other_user() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob"]).await;
    database
        .run(
            r#"create table allowed (id text primary key); insert into allowed values ('bob');
               alter table user_vectors add constraint platform_link foreign key ("userId") references allowed (id)"#,
        )
        .await;
    let store = store_on(database.pool()).await;
    let events = ["ann", "bob"].map(|name| onboarding(name, 5, vec![group("SOLO")]));
    let (outcomes, _) = apply(&store, &events).await;
    assert!(
        matches!(&outcomes[0], Err(Rejection { reason: Reason::RejectedByDatabase, detail }) if detail.contains("platform_link"))
    );
    assert_eq!(outcomes[1], APPLIED);
}
