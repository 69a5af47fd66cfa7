//! `migrate revert`: objects that existed before stay, ours are dropped, and every loss is reported first.

use segmenter::migrate::schema::{self, SchemaStatus};
use segmenter::migrate::{self, MigrateError, Notice, Refusal, RevertOptions, RunOptions, Target};

use super::database::{BEFORE, Database, EMPTY, PRISMA_AFTER, PRISMA_BEFORE, revert, run};

const ALL_WITH_CONSENT: RevertOptions = RevertOptions { target: Target::All, execute: true };

#[tokio::test]
async fn columns_that_existed_before_stay() {
    let database = Database::shaped(PRISMA_AFTER).await;
    let before = database.public_schema();
    database.run().await.unwrap();
    database.execute("update user_vectors set \"primarySegment\" = 'BUDGET'").await;
    assert_eq!(database.revert(Target::All).await.unwrap(), [5, 4, 3, 2, 1]);
    assert_eq!(database.public_schema(), before);
    assert_eq!(database.value("select count(\"primarySegment\") from user_vectors").await.as_deref(), Some("2"));
    assert_eq!(database.value("to_regnamespace('segmenter')").await, None);
}

#[tokio::test]
async fn columns_and_index_added_by_a_migration_are_dropped() {
    let database = Database::shaped(BEFORE).await;
    let before = database.public_schema();
    database.run().await.unwrap();
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.public_schema(), before);
    assert_eq!(database.value("select count(*) from user_vectors").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_column_that_existed_before_stays_beside_dropped_ones() {
    let database = Database::shaped(BEFORE).await;
    database.execute("alter table user_vectors add column segments jsonb").await;
    let before = database.public_schema();
    database.run().await.unwrap();
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.public_schema(), before);
}

#[tokio::test]
async fn columns_that_prisma_has_adopted_since_stay() {
    let database = Database::shaped(PRISMA_BEFORE).await;
    let add_columns = RunOptions { add_columns: true, dry_run: false };
    run(&mut database.connect().await, add_columns).await.0.unwrap();
    database
        .execute(
            "insert into public._prisma_migrations (id, checksum, finished_at, migration_name)
             values ('1', '', now(), '20260129000000_add_user_segments')",
        )
        .await;
    let adopted = database.public_schema();
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.public_schema(), adopted);
}

#[tokio::test]
async fn a_table_created_by_a_migration_is_dropped() {
    let database = Database::shaped(EMPTY).await;
    let before = database.public_schema();
    database.run().await.unwrap();
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.public_schema(), before);
}

#[tokio::test]
async fn one_step_is_the_default_and_a_version_names_the_newest_that_stays() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    assert_eq!(database.revert(Target::OneStep).await.unwrap(), [5]);
    let mut conn = database.connect().await;
    assert_eq!(schema::check(&mut conn).await.unwrap(), SchemaStatus::Behind { pending: vec![5] });
    assert_eq!(database.revert(Target::Version(1)).await.unwrap(), [4, 3, 2]);
    assert_eq!(database.value("to_regclass('\"user_vectors_primarySegment_idx\"')").await, None);
    assert_eq!(database.revert(Target::Version(1)).await.unwrap(), Vec::<i64>::new());
    let unknown = database.revert(Target::Version(99)).await;
    assert!(matches!(unknown, Err(MigrateError::Refused(Refusal::UnknownVersion(99)))));
}

#[tokio::test]
async fn run_revert_run_ends_where_run_did() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    let once = database.public_schema();
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.run().await.unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(database.public_schema(), once);
    let mut conn = database.connect().await;
    assert_eq!(schema::check(&mut conn).await.unwrap(), SchemaStatus::Current);
}

async fn with_something_to_lose() -> Database {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    database
        .execute(
            "insert into segmenter.profile_states (user_id, counter, state) values ('u1', 1, 'x'), ('u2', 1, 'x');
             insert into segmenter.outbox (body) values ('x');
             insert into segmenter.deleted_users (user_id, erased_at) values ('a', 1), ('b', 1), ('c', 1);
             update public.user_vectors set segments = '[]' where id = 'v1'",
        )
        .await;
    database
}

fn losses(notices: &[Notice]) -> Vec<i64> {
    let count = |notice: &Notice| if let Notice::Loss { count, .. } = notice { Some(*count) } else { None };
    notices.iter().filter_map(count).collect()
}

#[tokio::test]
async fn without_consent_it_lists_the_losses_and_changes_nothing() {
    let database = with_something_to_lose().await;
    let mut conn = database.connect().await;
    let before = migrate::info(&mut conn).await.unwrap();
    let deleted = database.value("select count(*) from segmenter.deleted_users").await;
    let (result, notices) = revert(&mut conn, RevertOptions { execute: false, ..ALL_WITH_CONSENT }).await;
    assert_eq!(result.unwrap(), Vec::<i64>::new());
    assert_eq!(losses(&notices), [0, 2, 1, 3, 1, 0]);
    assert_eq!(migrate::info(&mut conn).await.unwrap(), before);
    assert_eq!(database.value("select count(*) from segmenter.deleted_users").await, deleted);
}

#[tokio::test]
async fn nothing_to_revert_needs_no_consent() {
    let database = Database::shaped(BEFORE).await;
    let (result, notices) =
        revert(&mut database.connect().await, RevertOptions { execute: false, ..ALL_WITH_CONSENT }).await;
    assert_eq!(result.unwrap(), Vec::<i64>::new());
    assert_eq!(notices, [Notice::Nothing]);
}

#[tokio::test]
async fn an_object_of_others_in_the_schema_keeps_it() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    database.execute("create table segmenter.notes (text text)").await;
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.value("to_regclass('segmenter.notes')").await.as_deref(), Some("segmenter.notes"));
    assert_eq!(database.run().await.unwrap(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn each_reverted_migration_is_recorded_until_the_last_one_is_reverted() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    let acts = "select string_agg(act || ' ' || (arguments->>'migration'), ', ' order by id) from segmenter.audit";
    for (target, recorded) in
        [(Target::OneStep, "revert 5"), (Target::Version(1), "revert 5, revert 4, revert 3, revert 2")]
    {
        let (result, _) = revert(&mut database.connect().await, RevertOptions { target, execute: true }).await;
        result.unwrap();
        assert_eq!(database.value(acts).await.as_deref(), Some(recorded));
    }
    let (result, notices) = revert(&mut database.connect().await, ALL_WITH_CONSENT).await;
    assert_eq!(result.unwrap(), [1]);
    let is_lost =
        |notice: &Notice| matches!(notice, Notice::Loss { what, count: 4 } if what.contains("acts of operators"));
    assert!(notices.iter().any(is_lost), "{notices:?}");
    assert_eq!(database.value("to_regnamespace('segmenter')").await, None);
}
