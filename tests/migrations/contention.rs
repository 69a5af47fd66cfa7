//! Migrations under contention: a second migration, a session that holds a lock, an interrupted build.

use segmenter::migrate::{self, IndexState, LOCK_KEY, Limits, MigrateError, Notice, RunOptions};
use tokio::sync::oneshot;

use super::database::{AFTER, BEFORE, Database, LIMITS, execute, run};

const INDEX_IS_VALID: &str =
    "select indisvalid from pg_index where indexrelid = '\"user_vectors_primarySegment_idx\"'::regclass";

#[tokio::test]
async fn a_second_run_asks_again_until_the_first_has_finished() {
    let database = Database::shaped(BEFORE).await;
    let mut holder = database.connect().await;
    execute(&mut holder, &format!("select pg_advisory_lock({LOCK_KEY})")).await;

    let (waits, waiting) = oneshot::channel();
    let mut waits = Some(waits);
    let mut on_notice = |notice: Notice| {
        if let Notice::Waiting { holder } = notice
            && let Some(waits) = waits.take()
        {
            waits.send(holder).unwrap();
        }
    };
    let mut conn = database.connect().await;
    let second = migrate::run(&mut conn, RunOptions::default(), &LIMITS, &mut on_notice);
    let first_finishes = async {
        let named = waiting.await.unwrap();
        let pid = super::database::value(&mut holder, "pg_backend_pid()").await.unwrap();
        assert!(named.starts_with(&format!("process {pid}")), "{named}");
        execute(&mut holder, &format!("select pg_advisory_unlock({LOCK_KEY})")).await;
    };
    let (result, ()) = tokio::join!(second, first_finishes);
    assert_eq!(result.unwrap(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn two_runs_at_once_both_succeed_and_each_migration_is_applied_once() {
    let database = Database::shaped(BEFORE).await;
    let (mut one, mut other) = (database.connect().await, database.connect().await);
    let ((one, _), (other, _)) =
        tokio::join!(run(&mut one, RunOptions::default()), run(&mut other, RunOptions::default()));
    let mut applied = [one.unwrap(), other.unwrap()].concat();
    applied.sort_unstable();
    assert_eq!(applied, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_run_fails_at_the_deadline_and_names_the_lock_holder() {
    let database = Database::shaped(BEFORE).await;
    let mut holder = database.connect().await;
    execute(&mut holder, &format!("set application_name to 'elder'; select pg_advisory_lock({LOCK_KEY})")).await;
    let limits = Limits { deadline: LIMITS.poll, ..LIMITS };
    let mut conn = database.connect().await;
    let error = migrate::run(&mut conn, RunOptions::default(), &limits, &mut |_| ()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Busy { .. }), "{error:?}");
    assert!(error.to_string().contains("(elder)"), "{error}");
}

#[tokio::test]
async fn a_lock_held_on_the_table_ends_in_a_clear_error_and_nothing_half_done() {
    let database = Database::shaped(BEFORE).await;
    let before = database.public_schema();
    let mut holder = database.connect().await;
    execute(&mut holder, "set application_name to 'reader'; begin; select * from user_vectors").await;

    let (result, notices) = run(&mut database.connect().await, RunOptions::default()).await;
    let error = result.unwrap_err();
    assert!(matches!(error, MigrateError::Locked { attempts: 2, .. }), "{error:?}");
    for part in ["apply 1 segment_columns", "(reader)", "AccessShareLock on public.user_vectors"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(notices.iter().any(|notice| matches!(notice, Notice::Retrying { attempt: 2, .. })), "{notices:?}");

    execute(&mut holder, "rollback").await;
    assert_eq!(database.public_schema(), before);
    assert_eq!(database.run().await.unwrap(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_retry_succeeds_once_the_lock_is_gone() {
    let database = Database::shaped(BEFORE).await;
    let mut holder = database.connect().await;
    execute(&mut holder, "begin; select * from user_vectors").await;
    let (retries, retrying) = oneshot::channel();
    let mut retries = Some(retries);
    let mut on_notice = |notice: Notice| {
        if let Notice::Retrying { .. } = notice
            && let Some(retries) = retries.take()
        {
            retries.send(()).unwrap();
        }
    };
    let limits = Limits { attempts: 100, ..LIMITS };
    let mut conn = database.connect().await;
    let migration = migrate::run(&mut conn, RunOptions::default(), &limits, &mut on_notice);
    let release = async {
        retrying.await.unwrap();
        execute(&mut holder, "rollback").await;
    };
    let (result, ()) = tokio::join!(migration, release);
    assert_eq!(result.unwrap(), [1, 2, 3, 4, 5]);
}

/// Leaves an invalid index, as a build does that is interrupted while it waits for an older transaction.
async fn leave_an_invalid_index(database: &Database) {
    let mut older = database.connect().await;
    execute(&mut older, "begin isolation level repeatable read; select 1 from users; update users set email = email")
        .await;
    let mut builder = database.connect().await;
    execute(&mut builder, "set lock_timeout to '100ms'").await;
    let build = "create index concurrently \"user_vectors_primarySegment_idx\" on user_vectors (\"primarySegment\")";
    assert!(sqlx::raw_sql(build).execute(&mut builder).await.is_err());
    execute(&mut older, "rollback").await;
    assert_eq!(database.value(INDEX_IS_VALID).await.as_deref(), Some("false"));
}

#[tokio::test]
async fn an_invalid_index_that_is_found_is_rebuilt() {
    let database = Database::shaped(BEFORE).await;
    database.execute("alter table user_vectors add column \"primarySegment\" text").await;
    leave_an_invalid_index(&database).await;
    assert_eq!(database.run().await.unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(database.value(INDEX_IS_VALID).await.as_deref(), Some("true"));
}

#[tokio::test]
async fn an_index_that_became_invalid_later_is_listed_and_rebuilt() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    database.execute("drop index \"user_vectors_primarySegment_idx\"").await;
    leave_an_invalid_index(&database).await;

    let mut conn = database.connect().await;
    let info = migrate::info(&mut conn).await.unwrap();
    assert_eq!(info.index, IndexState::Invalid);
    assert_eq!(info.invalid_indexes, ["public.\"user_vectors_primarySegment_idx\""]);
    assert_eq!(database.run().await.unwrap(), Vec::<i64>::new());
    assert_eq!(migrate::info(&mut conn).await.unwrap().index, IndexState::Valid);
}

#[tokio::test]
async fn writers_are_not_stopped_by_the_build() {
    let database = Database::shaped(AFTER).await;
    let mut writer = database.connect().await;
    let mut conn = database.connect().await;
    let (waits, waiting) = oneshot::channel();
    let mut waits = Some(waits);
    // A transaction that has written the table: a plain CREATE INDEX would queue behind it, and all later writers behind that.
    execute(&mut writer, "drop index \"user_vectors_primarySegment_idx\"").await;
    execute(&mut writer, "begin; update user_vectors set version = 2").await;
    let mut on_notice = |notice: Notice| {
        if let Notice::Done { .. } = notice
            && let Some(waits) = waits.take()
        {
            waits.send(()).unwrap();
        }
    };
    let migration = migrate::run(&mut conn, RunOptions::default(), &LIMITS, &mut on_notice);
    let others = async {
        waiting.await.unwrap();
        let building = "select count(*) from pg_stat_progress_create_index where datname = current_database()";
        while database.value(building).await.as_deref() != Some("1") {
            tokio::task::yield_now().await;
        }
        database.execute("set lock_timeout to '5s'; update user_vectors set version = 3 where id = 'none'").await;
        execute(&mut writer, "commit").await;
    };
    let both = async { tokio::join!(migration, others) };
    let (result, ()) = tokio::time::timeout(LIMITS.deadline, both).await.unwrap();
    assert_eq!(result.unwrap(), [1, 2, 3, 4, 5]);
}
