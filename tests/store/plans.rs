//! Plans: a process that started on empty tables looks many users up by key once the tables are large.

use segmenter::store::Store;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::conflicts::{add_users, onboardings};
use super::*;

const TABLES: &str = "segmenter.profile_states, segmenter.deleted_users, public.users, public.user_vectors";

/// The number of rows that sequential scans of those tables have read so far, those of the store's only session included.
async fn rows_scanned(store: &Store) -> i64 {
    let flush = store.pool.query("select pg_stat_force_next_flush()");
    store.pool.execute(flush).await.unwrap();
    let scanned = "select sum(seq_tup_read)::bigint from pg_stat_user_tables
                    where schemaname || '.' || relname = any(string_to_array($1, ', '))";
    let scanned = store.pool.query_scalar(scanned).bind(TABLES);
    store.pool.fetch_one(scanned).await.unwrap()
}

#[tokio::test]
async fn a_process_that_started_on_empty_tables_reads_none_of_them_whole_for_many_users_once_they_are_large() {
    let database = migrated_database().await;
    for table in TABLES.split(", ") {
        database.run(format!("alter table {table} set (autovacuum_enabled = false)")).await;
    }
    database.run(format!("vacuum analyze {TABLES}")).await;
    let known = add_users(&database, 0..100).await;
    let (mut stores, mut at) = (Vec::new(), 0);
    for mode in ["auto", "force_generic_plan"] {
        let options: PgConnectOptions = database.url().parse().unwrap();
        let options = options.options([("plan_cache_mode", mode)]);
        let store = store_on(&PgPoolOptions::new().max_connections(1).connect_lazy_with(options)).await;
        // From the sixth execution on PostgreSQL may cache the plan of a named statement.
        for _ in 0..10 {
            at += 2;
            work(&store, &known, at).await;
        }
        stores.push(store);
    }
    let many = "insert into users (id, email, \"updatedAt\") select 'u' || i, 'e' || i, now() from generate_series(1, 200000) i;
        begin; set local session_replication_role = replica;
        insert into segmenter.profile_states (user_id, counter, state) select id, 1, '' from users on conflict do nothing;
        insert into segmenter.deleted_users (user_id) select id || '-gone' from users;
        insert into user_vectors (id, \"userId\", vector, \"updatedAt\")
        select id, id, '[]', now() from users on conflict do nothing; commit";
    database.run(many).await;
    // The foreign keys' own checks may scan `users` before it is analysed; on the platform autovacuum analyses it in time.
    database.run("analyze users").await;
    for (store, first) in stores.iter().zip([100, 400]) {
        let before = rows_scanned(store).await;
        work(store, &known, at + 2).await;
        work(store, &add_users(&database, first..first + 300).await, at + 2).await;
        at += 2;
        assert_eq!(rows_scanned(store).await, before);
    }
}

/// The statements of onboarding, publishing and erasing users.
async fn work(store: &Store, names: &[String], at: i64) {
    let (outcomes, _) = apply(store, &onboardings(names, at)).await;
    assert_eq!(outcomes, vec![APPLIED; names.len()]);
    let users: Vec<_> = names.iter().map(|name| crate::world::user(name)).collect();
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    outbox::users_with_newer_revisions(&store.pool, &keys, &vec![0; keys.len()]).await.unwrap();
    outbox::last_published(&store.pool, &users.iter().collect::<Vec<_>>()).await.unwrap();
    let erasures: Vec<_> = names.iter().map(|name| tombstone(name, at + 1)).collect();
    apply(store, &erasures).await;
}
