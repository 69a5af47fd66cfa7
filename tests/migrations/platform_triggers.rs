//! The triggers on our states: a user deleted or renamed on the platform is remembered and published.

use segmenter::migrate::RunOptions;
use sqlx::PgConnection;

use super::database::{AFTER, Database, execute, run, value};
use super::role::Role;

/// A migrated platform with states of u1 (a ranking was published), u2 (nothing), u3 (a tombstone) and u4 (erased unpublished).
async fn platform() -> (Database, PgConnection) {
    let database = Database::shaped(AFTER).await;
    let mut conn = database.connect().await;
    run(&mut conn, RunOptions::default()).await.0.unwrap();
    execute(
        &mut conn,
        "insert into public.users (id, email, \"updatedAt\") values ('u3', 'u3', now()), ('u4', 'u4', now());
         insert into segmenter.profile_states (user_id, counter, revision, published, erased_at, state) values
           ('u1', 5, 700, 1, null, 'x'), ('u2', 5, 0, 0, null, 'x'), ('u3', 5, 600, 2, 50, 'x'), ('u4', 5, 0, 0, 40, 'x')",
    )
    .await;
    (database, conn)
}

async fn deleted(conn: &mut PgConnection) -> Vec<(String, Option<i64>, i64)> {
    sqlx::query_as("select user_id, erased_at, revision from segmenter.deleted_users order by user_id")
        .fetch_all(conn)
        .await
        .unwrap()
}

async fn to_publish(conn: &mut PgConnection) -> Vec<Vec<String>> {
    sqlx::query_scalar("select users from segmenter.outbox where body is null and owner is null order by id")
        .fetch_all(conn)
        .await
        .unwrap()
}

async fn state(conn: &mut PgConnection, user: &str) -> (i64, i64, i16) {
    sqlx::query_as("select counter, revision, published from segmenter.profile_states where user_id = $1")
        .bind(user)
        .fetch_one(conn)
        .await
        .unwrap()
}

async fn now_ms(conn: &mut PgConnection) -> i64 {
    value(conn, "floor(extract(epoch from clock_timestamp()) * 1000)::bigint").await.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_deleted_user_is_remembered_and_published_only_if_something_was_published() {
    let (_database, mut conn) = platform().await;
    let before = now_ms(&mut conn).await;
    execute(&mut conn, "delete from public.users").await;
    let after = now_ms(&mut conn).await;

    let deleted = deleted(&mut conn).await;
    let (user, erased_at, revision) = &deleted[0];
    assert_eq!((user.as_str(), *erased_at), ("u1", None));
    assert!((before..=after).contains(revision), "{revision}");
    assert_eq!(deleted[1..], [("u3".to_owned(), Some(50), 600), ("u4".to_owned(), Some(40), 0)]);
    assert_eq!(to_publish(&mut conn).await, [["u1"]]);
    assert_eq!(value(&mut conn, "select count(*) from segmenter.profile_states").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_tombstones_revision_is_above_one_from_a_clock_that_was_ahead() {
    let (_database, mut conn) = platform().await;
    let ahead = now_ms(&mut conn).await + 3_600_000;
    execute(&mut conn, &format!("update segmenter.profile_states set revision = {ahead} where user_id = 'u1'")).await;
    execute(&mut conn, "delete from public.users where id = 'u1'").await;
    assert_eq!(deleted(&mut conn).await, [("u1".to_owned(), None, ahead + 1)]);
}

#[tokio::test]
async fn a_second_deletion_keeps_the_greatest_of_each() {
    let (_database, mut conn) = platform().await;
    let ahead = now_ms(&mut conn).await + 3_600_000;
    execute(&mut conn, &format!("insert into segmenter.deleted_users values ('u1', 30, {ahead}), ('u3', 99, 1)")).await;
    execute(&mut conn, "delete from public.users where id in ('u1', 'u3')").await;
    assert_eq!(deleted(&mut conn).await, [("u1".to_owned(), Some(30), ahead), ("u3".to_owned(), Some(99), 600)]);
}

#[tokio::test]
async fn a_renamed_user_is_published_as_a_tombstone_under_the_old_key_and_anew_under_the_new() {
    let (_database, mut conn) = platform().await;
    let before = now_ms(&mut conn).await;
    execute(&mut conn, "update public.users set id = 'n1' where id = 'u1'").await;

    let (counter, revision, published) = state(&mut conn, "n1").await;
    assert_eq!((counter, published), (6, 1));
    assert!(revision >= before);
    let deleted = deleted(&mut conn).await;
    assert_eq!(deleted[0].0, "u1");
    assert!(deleted[0].2 >= before);
    assert_eq!(to_publish(&mut conn).await, [["u1", "n1"]]);
    assert_eq!(
        value(&mut conn, "select count(*) from public.user_vectors where \"userId\" = 'n1'").await.as_deref(),
        Some("1")
    );
}

#[tokio::test]
async fn a_renamed_user_without_a_published_change_changes_only_the_counter() {
    let (_database, mut conn) = platform().await;
    execute(&mut conn, "update public.users set id = 'n2' where id = 'u2'").await;
    assert_eq!(state(&mut conn, "n2").await, (6, 0, 0));
    assert!(deleted(&mut conn).await.is_empty());
    assert!(to_publish(&mut conn).await.is_empty());
}

#[tokio::test]
async fn an_erasure_is_remembered_for_the_old_key_of_a_renamed_user() {
    let (_database, mut conn) = platform().await;
    execute(&mut conn, "update public.users set id = 'n' || id where id in ('u3', 'u4')").await;
    let remembered = [("u3".to_owned(), Some(50), 600), ("u4".to_owned(), Some(40), 0)];
    assert_eq!(deleted(&mut conn).await, remembered);
    assert_eq!(to_publish(&mut conn).await, [["nu3"]]);
}

#[tokio::test]
async fn the_key_of_a_deleted_user_is_reused_above_its_tombstone() {
    let (_database, mut conn) = platform().await;
    let ahead = now_ms(&mut conn).await + 3_600_000;
    execute(&mut conn, &format!("insert into segmenter.deleted_users values ('n1', null, {ahead}), ('n2', null, 800)"))
        .await;
    execute(&mut conn, "update public.users set id = 'n1' where id = 'u1'").await;
    execute(&mut conn, "update public.users set id = 'n2' where id = 'u2'").await;
    assert_eq!(state(&mut conn, "n1").await, (6, ahead + 1, 1));
    assert_eq!(state(&mut conn, "n2").await, (6, 801, 2));
    assert_eq!(to_publish(&mut conn).await, [vec!["u1", "n1"], vec!["n2"]]);
}

#[tokio::test]
async fn a_user_renamed_and_renamed_back_is_published_above_the_tombstone_between() {
    let (_database, mut conn) = platform().await;
    execute(&mut conn, "begin; update public.users set id = 'n1' where id = 'u1'").await;
    execute(&mut conn, "update public.users set id = 'u1' where id = 'n1'; commit").await;
    let (_, revision, _) = state(&mut conn, "u1").await;
    let deleted = deleted(&mut conn).await;
    let (_, _, tombstone_revision) = deleted.iter().find(|(user, ..)| user == "u1").unwrap();
    assert!(revision > *tombstone_revision, "{revision} {deleted:?}");
}

#[tokio::test]
async fn a_write_that_does_not_rename_moves_nothing_by_itself_and_stays_hot() {
    let (_database, mut conn) = platform().await;
    for counter in 6..16 {
        let write =
            format!("update segmenter.profile_states set counter = {counter}, state = 'y' where user_id = 'u1'");
        execute(&mut conn, &write).await;
    }
    assert_eq!(state(&mut conn, "u1").await, (15, 700, 1));
    assert!(to_publish(&mut conn).await.is_empty());
    execute(&mut conn, "select pg_stat_force_next_flush()").await;
    let hot = "select n_tup_hot_upd = n_tup_upd and n_tup_upd = 10 from pg_stat_user_tables
                where relname = 'profile_states'";
    while value(&mut conn, hot).await.as_deref() != Some("true") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_platform_role_without_rights_on_our_schema_deletes_and_renames_its_users() {
    let (_database, mut conn) = platform().await;
    let role = Role::create(&mut conn).await;
    let name = &role.name;
    execute(
        &mut conn,
        &format!(
            "grant select, update, delete on public.users to {name}; set session authorization {name};
             update public.users set id = 'n3' where id = 'u3'; delete from public.users where id = 'u1'"
        ),
    )
    .await;
    assert!(sqlx::raw_sql("select 1 from segmenter.deleted_users").execute(&mut conn).await.is_err());
    assert!(sqlx::raw_sql("select segmenter.next_revision(0)").execute(&mut conn).await.is_err());
    execute(&mut conn, "reset session authorization").await;
    let remembered: Vec<_> = deleted(&mut conn).await.into_iter().map(|(user, ..)| user).collect();
    assert_eq!(remembered, ["u1", "u3"]);
    role.drop(&mut conn).await;
}

#[tokio::test]
async fn an_outbox_row_has_either_users_or_a_body() {
    let (_database, mut conn) = platform().await;
    for bad in ["(users, body) values ('{a}', 'x')", "(owner) values (null)"] {
        let insert = format!("insert into segmenter.outbox {bad}");
        assert!(sqlx::raw_sql(sqlx::AssertSqlSafe(insert.as_str())).execute(&mut conn).await.is_err());
    }
}
