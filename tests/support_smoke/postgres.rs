//! PostgreSQL starts, creates fresh databases, stops, is paused and comes back.

use std::time::Duration;

use sqlx::Connection;

use crate::support::{Connections, Postgres, Proxy, eventually, postgres};

async fn tables(pool: &sqlx::PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_fresh_database_has_nothing_in_it_and_is_gone_when_dropped() {
    let database = postgres().fresh_database().await;
    assert_eq!(tables(database.pool()).await, 0);

    let other = postgres().fresh_database().await;
    let name = database.name().to_owned();
    drop(database);
    let left: i64 = sqlx::query_scalar("select count(*) from pg_database where datname = $1")
        .bind(name)
        .fetch_one(other.pool())
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn the_platforms_database_has_the_segment_columns_only_after_its_migration() {
    let columns = "select count(*) from information_schema.columns where table_name = 'user_vectors'
                   and column_name in ('segments', 'primarySegment', 'segmentConfidence', 'lastSegmentUpdate')";
    for (database, expected) in
        [(postgres().upstream_before_ia().await, 0), (postgres().upstream_after_ia().await, 4_i64)]
    {
        database.add_users(["ada", "Ben"]).await;
        let found: i64 = sqlx::query_scalar(columns).fetch_one(database.pool()).await.unwrap();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_dedicated_server_comes_back_on_its_data_after_an_immediate_stop() {
    let server = Postgres::dedicated().await;
    let database = server.fresh_database().await;
    database.run("create table kept (id int); insert into kept values (1)").await;

    server.stop_immediate();
    assert!(sqlx::PgConnection::connect(database.url()).await.is_err(), "it accepts connections");
    server.start();

    let kept: i64 = sqlx::query_scalar("select count(*) from kept").fetch_one(database.pool()).await.unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn a_paused_server_answers_nothing_until_it_is_resumed() {
    let server = Postgres::dedicated().await;
    let database = server.fresh_database().await;
    assert_eq!(tables(database.pool()).await, 0);

    server.pause();
    let asking = tokio::time::timeout(Duration::from_millis(300), tables(database.pool()));
    assert!(asking.await.is_err(), "it answered");
    server.resume();

    eventually(Duration::from_secs(10), "an answer", || async { tables(database.pool()).await == 0 }).await;
}

async fn kept(server: &Postgres, database: &str) -> Vec<i32> {
    let server = server.url().strip_suffix("/postgres").unwrap();
    let mut session = sqlx::PgConnection::connect(&format!("{server}/{database}")).await.unwrap();
    sqlx::query_scalar("select id from kept order by id").fetch_all(&mut session).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_has_lost_what_it_had_not_received_and_a_restored_backup_what_came_after_it() {
    let primary = Postgres::dedicated().await;
    let replication = Proxy::to(primary.url());
    let database = primary.fresh_database().await;
    database.run("create table kept (id int); insert into kept values (1)").await;
    let backup = primary.backup().await;
    let standby = primary.standby(&replication, -30).await;
    database.run("insert into kept values (2)").await;
    eventually(Duration::from_secs(10), "the standby to receive it", || async {
        kept(&standby, database.name()).await == [1, 2]
    })
    .await;
    replication.refuse(true);
    replication.cut(Connections::All);
    database.run("insert into kept values (3)").await;

    standby.promote().await;
    assert_eq!(kept(&standby, database.name()).await, [1, 2]);
    assert_eq!(kept(&primary, database.name()).await, [1, 2, 3], "the old primary serves on");
    let clock = "select extract(epoch from clock_timestamp())::float8";
    let mut times = Vec::new();
    for server in [&standby, &primary] {
        let mut session = sqlx::PgConnection::connect(server.url()).await.unwrap();
        times.push(sqlx::query_scalar::<_, f64>(clock).fetch_one(&mut session).await.unwrap());
    }
    assert!((30.0..31.0).contains(&(times[1] - times[0])), "{times:?}");

    tokio::task::block_in_place(|| primary.shut_down());
    tokio::task::block_in_place(|| backup.start());
    assert_eq!(kept(&backup, database.name()).await, [1]);
}
