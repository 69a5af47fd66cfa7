//! The reads of the status page: their cost does not grow with the tables, and no open job is left out.

use segmenter::http::status::Board;
use segmenter::runtime::health::Health;
use segmenter::store::Store;
use segmenter::store::distribution::{self, SAMPLED_BLOCKS};
use segmenter::telemetry::metrics::Metrics;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::support::Database;
use crate::world::{migrated_database, store_on};

/// 24,000 users of three segments or none, a quarter each; few of their rows share a block.
const LARGE: &str = r#"
    alter table user_vectors set (fillfactor = 10, autovacuum_enabled = false);
    insert into users (id, email, "updatedAt") select 'u' || i, 'e' || i, now() from generate_series(1, 24000) i;
    insert into user_vectors (id, "userId", vector, segments, "primarySegment", "segmentConfidence", "updatedAt")
    select 'u' || i, 'u' || i, '[0,0,0,0,0,0,0,0]', jsonb_build_array(repeat('x', 200)),
           (array['A', 'B', 'C'])[1 + hashtext('u' || i) & 3], 0.5, now()
    from generate_series(1, 24000) i"#;

async fn in_one_session(database: &Database) -> Store {
    let options: PgConnectOptions = database.url().parse().unwrap();
    store_on(&PgPoolOptions::new().max_connections(1).connect_lazy_with(options)).await
}

/// Scans of the table, the store's only session included: whole, by an index; and the blocks that were asked for.
async fn scans(store: &Store) -> (i64, i64, i64) {
    store.pool.execute(store.pool.query("select pg_stat_force_next_flush()")).await.unwrap();
    let scans = store.pool.query_as(
        "select seq_scan, coalesce(idx_tup_fetch, 0), heap_blks_hit + heap_blks_read
           from pg_stat_user_tables join pg_statio_user_tables using (relid) where relid = 'public.user_vectors'::regclass",
    );
    store.pool.fetch_one(scans).await.unwrap()
}

#[tokio::test]
async fn the_page_and_the_api_read_a_part_of_a_large_table_and_never_scan_it() {
    let database = migrated_database().await;
    database.run(LARGE).await;
    let store = in_one_session(&database).await;
    let blocks: i64 =
        sqlx::query_scalar("select pg_relation_size('user_vectors') / 8192").fetch_one(database.pool()).await.unwrap();
    assert!(blocks > 4 * SAMPLED_BLOCKS, "{blocks}");
    let board = Board::new(Health::default(), Metrics::new().unwrap(), Vec::new());
    board.store.get_or_init(|| store.clone());

    let before = scans(&store).await;
    let shown = board.status().await.segments.unwrap();
    let after = scans(&store).await;
    assert_eq!((after.0, after.1), (before.0, before.1), "neither the table nor an index is scanned");
    let read = after.2 - before.2;
    assert!((1..SAMPLED_BLOCKS * 5 / 4).contains(&read), "{read} of {blocks} blocks are read");

    let sampled = shown.distribution;
    let part = SAMPLED_BLOCKS as f64 / blocks as f64;
    assert!((sampled.sampled - part).abs() < 1e-9, "{sampled:?}");
    assert!((21_000..27_000).contains(&sampled.users), "the users are estimated: {sampled:?}");
    assert_eq!(sampled.shares.len(), 4);
    for share in &sampled.shares {
        assert!((0.2..0.3).contains(&(share.users as f64 / sampled.users as f64)), "{share:?}");
    }
    assert_eq!(distribution::sampled(&store.pool).await.unwrap(), sampled, "it reads the same blocks again");
}

#[tokio::test]
async fn the_users_of_a_small_table_are_counted() {
    let database = migrated_database().await;
    database.run(LARGE).await;
    // A hundred rows are left, in few blocks.
    database
        .run(
            r#"create table kept as select * from user_vectors where substr("userId", 2)::int <= 100;
               truncate user_vectors cascade; insert into user_vectors select * from kept"#,
        )
        .await;
    let sampled = distribution::sampled(&in_one_session(&database).await.pool).await.unwrap();
    let counted: Vec<(Option<String>, i64)> =
        sqlx::query_as(r#"select "primarySegment", count(*) from user_vectors group by 1 order by 2 desc, 1"#)
            .fetch_all(database.pool())
            .await
            .unwrap();
    let shown: Vec<_> = sampled.shares.iter().map(|share| (share.primary_segment.clone(), share.users)).collect();
    assert_eq!((sampled.sampled, sampled.users, shown), (1.0, 100, counted));
}

#[tokio::test]
async fn open_jobs_are_shown_first_however_many_ended_since() {
    let database = migrated_database().await;
    database
        .run(
            "insert into segmenter.jobs (id, kind, spec, created_at, ended_at, phase)
             select md5(i::text)::uuid, 'recompute', '{}', now() + make_interval(mins => i),
                    case when i > 10 then now() + make_interval(mins => i + 1) end, case when i > 10 then 'done' else 'work' end
               from generate_series(1, 40) i;
             insert into segmenter.job_parts (job_id, part, place, position) select id, 'users', 0, '' from segmenter.jobs",
        )
        .await;
    let board = Board::new(Health::default(), Metrics::new().unwrap(), Vec::new());
    let store = in_one_session(&database).await;
    board.store.get_or_init(|| store);
    let jobs = board.status().await.jobs.unwrap();
    let (open, ended): (Vec<_>, Vec<_>) = jobs.iter().partition(|job| job.ended_at.is_none());
    assert_eq!((open.len(), ended.len()), (10, 5));
    assert!(
        jobs[..10].iter().all(|job| job.state == "interrupted") && jobs[10..].iter().all(|job| job.state == "done")
    );
    assert!(jobs.is_sorted_by(
        |one, other| one.ended_at.is_some() != other.ended_at.is_some() || one.started_at >= other.started_at
    ));
}
