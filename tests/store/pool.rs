//! Each use of the database has a deadline; a connection that missed it, or whose use was dropped, is closed and not used again.

use std::time::{Duration, Instant};

use segmenter::store::connect::Connect;
use segmenter::store::error::{ErrorClass, StoreError};
use segmenter::store::sql::Pool;
use sqlx::types::time::OffsetDateTime;

use crate::support::{Database, Postgres, Proxy, eventually};
use crate::world::{connect_as, migrated_database};

const STATEMENT_TIMEOUT: Duration = Duration::from_millis(400);
/// What a statement may take on a busy machine after its deadline of one and a half statement timeouts.
const SOON: Duration = Duration::from_secs(5);

/// One connection through `proxy`, with short deadlines.
fn connect(database: &Database, proxy: Option<&Proxy>) -> Connect {
    let mut connect = Connect {
        max_connections: 1,
        timeout: Duration::from_secs(2),
        statement_timeout: STATEMENT_TIMEOUT,
        ..connect_as(database.pool())
    };
    if let Some(proxy) = proxy {
        connect.url = proxy.url().parse().unwrap();
    }
    connect
}

/// The server's process of the pool's connection.
async fn process(pool: &Pool) -> Result<i32, StoreError> {
    pool.fetch_one(pool.query_scalar("select pg_backend_pid()")).await
}

async fn is_there(database: &Database, process: i32) -> bool {
    let there = sqlx::query_scalar("select exists (select from pg_stat_activity where pid = $1)").bind(process);
    there.fetch_one(database.pool()).await.unwrap()
}

#[tokio::test]
async fn a_connection_is_used_again_until_the_pool_is_renewed() {
    let database = migrated_database().await;
    let pool = Pool::new(connect(&database, None));
    let first = process(&pool).await.unwrap();
    assert_eq!(process(&pool).await.unwrap(), first);
    pool.renew();
    let second = process(&pool).await.unwrap();
    assert_ne!(second, first);
    eventually(SOON, "the old session ends", || async { !is_there(&database, first).await }).await;
    let during = pool
        .read(async |connection| {
            let process: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(connection).await?;
            pool.renew();
            Result::<i32, StoreError>::Ok(process)
        })
        .await;
    assert_eq!(during.unwrap(), second);
    assert_ne!(process(&pool).await.unwrap(), second, "a connection that was in use at the renewal is closed after it");
}

#[tokio::test]
async fn once_a_new_connection_reaches_another_server_no_older_one_is_used() {
    let (former, present) = (Postgres::dedicated().await, Postgres::dedicated().await);
    let proxy = Proxy::to(former.url());
    let database = migrated_database().await;
    let pool = Pool::new(Connect { max_connections: 2, ..connect(&database, Some(&proxy)) });
    let started = async || -> OffsetDateTime {
        pool.fetch_one(pool.query_scalar("select pg_postmaster_start_time()")).await.unwrap()
    };
    let of_former = started().await;
    proxy.switch(present.url());
    assert_eq!(started().await, of_former, "the former primary still serves its sessions");
    let while_it_is_lent = pool.read(async |_| Result::<_, StoreError>::Ok(started().await));
    let of_present = while_it_is_lent.await.unwrap();
    assert_ne!(of_present, of_former);
    assert_eq!(started().await, of_present);
    let both = pool.read(async |_| Result::<_, StoreError>::Ok(started().await));
    assert_eq!(both.await.unwrap(), of_present, "the older connection was closed when it was given back");
}

#[tokio::test]
async fn a_statement_that_gets_no_answer_ends_at_its_deadline_and_its_connection_is_never_used_again() {
    let database = migrated_database().await;
    let proxy = Proxy::to(database.url());
    let pool = Pool::new(connect(&database, Some(&proxy)));
    let before = process(&pool).await.unwrap();
    proxy.swallow(true);
    let begun = Instant::now();
    let error = process(&pool).await.unwrap_err();
    assert!(matches!(error, StoreError::TimedOut(deadline) if deadline == STATEMENT_TIMEOUT * 3 / 2), "{error}");
    assert_eq!(error.class(), Some(ErrorClass::Outage));
    assert!(begun.elapsed() < SOON);
    proxy.swallow(false);
    assert_ne!(process(&pool).await.unwrap(), before, "the only slot is free again at once");
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_holds_no_slot() {
    let database = migrated_database().await;
    let proxy = Proxy::to(database.url());
    proxy.swallow(true);
    let pool = Pool::new(connect(&database, Some(&proxy)));
    for _ in 0..2 {
        let begun = Instant::now();
        let error = process(&pool).await.unwrap_err();
        assert!(matches!(error, StoreError::TimedOut(_)), "{error}");
        assert!(begun.elapsed() < SOON);
    }
    proxy.swallow(false);
    process(&pool).await.unwrap();
}

#[tokio::test]
async fn a_use_that_is_dropped_half_way_ends_its_session_and_its_transaction() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let pool = Pool::new(connect(&database, None));
    let first = process(&pool).await.unwrap();
    let (written, is_written) = tokio::sync::oneshot::channel();
    let using = tokio::spawn({
        let pool = pool.clone();
        async move {
            let work = async |transaction: &mut sqlx::PgConnection| {
                let rename = "update users set email = 'other' where id = 'ann'";
                sqlx::query(rename).execute(transaction).await?;
                written.send(()).unwrap();
                std::future::pending::<Result<(), StoreError>>().await
            };
            pool.transaction(work).await
        }
    });
    is_written.await.unwrap();
    using.abort();
    assert!(using.await.unwrap_err().is_cancelled());
    assert_ne!(process(&pool).await.unwrap(), first);
    // The row lock is gone with the session.
    database.run("update users set email = 'third' where id = 'ann' and email = 'ann@example.com'").await;
    eventually(SOON, "the session ends", || async { !is_there(&database, first).await }).await;
}

#[tokio::test]
async fn a_refused_statement_leaves_its_connection_without_a_transaction() {
    let database = migrated_database().await;
    let pool = Pool::new(connect(&database, None));
    let first = process(&pool).await.unwrap();
    let broken = "insert into segmenter.profile_states (user_id, counter, state) values ('stranger', 1, '')";
    let work = async |transaction: &mut sqlx::PgConnection| sqlx::query(broken).execute(transaction).await.map(drop);
    let error = pool.transaction(work).await.unwrap_err();
    assert_eq!(error.class(), Some(ErrorClass::ForeignKey), "{error}");
    let state: String = sqlx::query_scalar("select state from pg_stat_activity where pid = $1")
        .bind(first)
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert_eq!(state, "idle");
    assert_eq!(process(&pool).await.unwrap(), first);
}

#[tokio::test]
async fn a_session_that_only_reads_as_on_a_standby_is_closed_and_a_new_one_writes() {
    let database = migrated_database().await;
    let alter = |value| format!("alter database {} set default_transaction_read_only = {value}", database.name());
    database.run(alter("on")).await;
    let pool = Pool::new(connect(&database, None));
    let first = process(&pool).await.unwrap();
    let write = "delete from segmenter.outbox";
    let error = pool.execute(pool.query(write)).await.unwrap_err();
    assert!(error.class() == Some(ErrorClass::Outage) && error.detail().contains("25006"), "{error}");
    database.run(format!("set default_transaction_read_only = off; {}", alter("off"))).await;
    pool.execute(pool.query(write)).await.unwrap();
    assert_ne!(process(&pool).await.unwrap(), first);
}

#[tokio::test]
async fn the_server_frees_the_locks_of_a_client_that_has_vanished() {
    let database = migrated_database().await;
    let pool = Pool::new(connect(&database, None));
    let seconds = |value: &str| value.parse::<u32>().unwrap();
    let setting = "select current_setting($1)";
    let setting = async |name| pool.fetch_one(pool.query_scalar::<String>(setting).bind(name)).await.unwrap();
    let probes = seconds(&setting("tcp_keepalives_count").await) * seconds(&setting("tcp_keepalives_interval").await);
    assert_eq!(seconds(&setting("tcp_keepalives_idle").await) + probes, 30, "an idle session");
    assert_eq!(setting("tcp_user_timeout").await, "30000", "a session that sends");
    assert_eq!(setting("idle_in_transaction_session_timeout").await, "400ms", "a session that holds locks");
}
