//! Migrations under contention: a second migration, a session that holds a lock, an interrupted build.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use segmenter::migrate::{self, IndexState, LOCK_KEY, Limits, MigrateError, Notice, RunOptions};
use sqlx::Row as _;
use tokio::sync::{mpsc, oneshot};

use super::database::{AFTER, BEFORE, Database, LIMITS, execute, run};
use crate::support::{eventually, frames, on_a_terminal};

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

/// Statements of the platform that meet the tables of the migrations; each gives the time that it waited, in seconds.
const OF_THE_PLATFORM: [&str; 3] = [
    "select extract(epoch from clock_timestamp() - statement_timestamp())::float8 from user_vectors limit 1",
    "update user_vectors set \"usageCount\" = \"usageCount\" + 1 where \"userId\" = 'u1'
     returning extract(epoch from clock_timestamp() - statement_timestamp())::float8",
    "update users set email = email where id = 'u2'
     returning extract(epoch from clock_timestamp() - statement_timestamp())::float8",
];

/// Repeats a statement until `done`; returns its longest wait, as the server measured it.
async fn longest_wait(database: &Database, statement: &'static str, done: &AtomicBool) -> f64 {
    let mut conn = database.connect().await;
    let mut longest: f64 = 0.0;
    while !done.load(Ordering::Relaxed) {
        // As one message, so that the time begins before the statement is parsed, which locks its table.
        let row = sqlx::raw_sql(statement).fetch_one(&mut conn).await.unwrap();
        longest = longest.max(row.get::<f64, _>(0));
    }
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_of_the_platform_waits_longer_than_six_tenths_of_a_second() {
    let database = Database::shaped(BEFORE).await;
    let (mut reader, mut writer) = (database.connect().await, database.connect().await);
    execute(&mut reader, "begin; select * from user_vectors").await;
    execute(
        &mut writer,
        "begin; insert into users (id, email, \"updatedAt\") values ('late', 'late@example.org', now())",
    )
    .await;
    let (retries, mut retrying) = mpsc::unbounded_channel();
    let mut on_notice = |notice: Notice| {
        if let Notice::Retrying { step, attempt, pause, holders } = notice {
            retries.send((step, attempt, pause, holders)).unwrap();
        }
    };
    let done = AtomicBool::new(false);
    let (mut conn, limits) = (database.connect().await, Limits::default());
    let migration = async {
        let applied = migrate::run(&mut conn, RunOptions::default(), &limits, &mut on_notice).await;
        done.store(true, Ordering::Relaxed);
        applied
    };
    let release = async {
        for (transaction, step) in [(&mut reader, "apply 1"), (&mut writer, "apply 3")] {
            let (mut found, mut pauses) = (Vec::new(), Vec::new());
            while pauses.len() < 2 {
                let (of, attempt, pause, holders) = retrying.recv().await.unwrap();
                assert!(of.starts_with(step) && attempt as usize == pauses.len() + 2, "{of}: {attempt}");
                found = holders.0;
                pauses.push(pause);
            }
            assert_eq!(pauses, [Duration::from_secs(1), Duration::from_secs(2)], "the pauses grow");
            assert!(found.iter().any(|holder| holder.contains("in a transaction of ")), "{found:?}");
            execute(transaction, "commit").await;
        }
    };
    let [one, two, three] = OF_THE_PLATFORM.map(|statement| longest_wait(&database, statement, &done));
    let (applied, (), one, two, three) = tokio::join!(migration, release, one, two, three);
    assert_eq!(applied.unwrap(), [1, 2, 3, 4, 5]);
    let longest = [one, two, three];
    println!("the platform's statements waited for at most {longest:?} s");
    assert!(longest.iter().all(|wait| (0.3..=0.6).contains(wait)), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_progress_of_the_index_is_shown_on_a_terminal() {
    let database = Database::shaped(AFTER).await;
    database.execute("drop index \"user_vectors_primarySegment_idx\"").await;
    let mut writer = database.connect().await;
    execute(&mut writer, "begin; update user_vectors set version = 2").await;
    let environment = [("DATABASE_URL", database.url())];
    let ran = on_a_terminal(&["migrate", "run"], &environment);
    let release = async {
        // A reading of the progress that began while the build waited for the writer has ended.
        let shown = "exists (select from pg_stat_progress_create_index p join pg_stat_activity b using (pid)
                     join pg_stat_activity r on r.application_name = 'segmenter migrate progress' and r.datname = b.datname
                     where b.datname = current_database() and r.state = 'idle' and r.query_start > b.query_start + interval '100 ms')";
        eventually(LIMITS.deadline, "the progress to be read", || async {
            database.value(shown).await.as_deref() == Some("true")
        })
        .await;
        execute(&mut writer, "commit").await;
    };
    let (ran, ()) = tokio::join!(ran, release);
    let shown = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{shown}");
    assert!(frames(&shown, "index").iter().any(|frame| frame.contains("waiting for writers before build")), "{shown}");
    assert_eq!(database.value(INDEX_IS_VALID).await.as_deref(), Some("true"));
}
