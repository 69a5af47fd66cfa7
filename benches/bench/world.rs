//! The servers of a measurement, with fixed settings, and databases of the platform on them.

use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::backlog::create_topics;
use crate::history::user_id;
use crate::processes;
use crate::support::{Database, Kafka, Life, Postgres, program};

/// PostgreSQL as in production: fully durable. Checkpoints run before a measurement, not within it, and all its data fits
/// into memory.
const POSTGRES: &str = "\
shared_buffers = 2GB
max_wal_size = 16GB
min_wal_size = 2GB
checkpoint_timeout = 30min
fsync = on
full_page_writes = on
synchronous_commit = on
wal_compression = off
autovacuum = on
";

/// The settings in the report, besides the version.
const REPORTED: [&str; 9] = [
    "shared_buffers",
    "max_wal_size",
    "min_wal_size",
    "checkpoint_timeout",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "wal_compression",
    "autovacuum",
];

/// Users in one COPY.
const COPIED_AT_ONCE: u64 = 50_000;

/// One broker and one database server, which end with this process.
pub struct World {
    pub kafka: Kafka,
    pub postgres: Postgres,
}

impl World {
    pub async fn start() -> Self {
        let (kafka, postgres) = tokio::join!(Kafka::with_life(Life::Long), Postgres::with_settings(POSTGRES));
        create_topics(&kafka).await;
        Self { kafka, postgres }
    }

    /// The settings, as the server shows them.
    pub async fn settings(&self, database: &Database) -> Vec<(String, String)> {
        let mut settings = vec![("PostgreSQL".to_owned(), shown(database, "server_version").await)];
        for name in REPORTED {
            settings.push((name.to_owned(), shown(database, name).await));
        }
        settings.push(("Kafka".to_owned(), "one broker, replication factor 1, 1 GiB heap".to_owned()));
        settings
    }

    /// A database of the platform with these users, migrated by `migrator`. No user has a vector or a state yet.
    pub async fn platform(&self, migrator: &Path, users: u64) -> Database {
        let database = self.postgres.upstream_after_ia().await;
        let environment = [("DATABASE_URL", database.url())];
        let migrated =
            program(migrator, &["migrate", "run"], &environment, "").finish(std::time::Duration::from_secs(120)).await;
        assert_eq!(migrated.code, Some(0), "{}", migrated.log);
        copy_users(&database, users).await;
        database.run("vacuum analyze").await;
        database
    }

    /// CPU seconds that the database server has used.
    pub fn postgres_cpu(&self) -> f64 {
        processes::cpu_seconds_with_children(self.postgres.pid())
    }

    /// CPU seconds that the broker has used.
    pub fn kafka_cpu(&self) -> f64 {
        processes::cpu_seconds(self.kafka.pid())
    }
}

/// The same start for every measurement: no dead rows, no dirty pages, and a full-page image in the log for the first write
/// to a page.
pub async fn settle(database: &Database) {
    database.run("vacuum").await;
    database.run("checkpoint").await;
}

async fn shown(database: &Database, name: &str) -> String {
    let statement = AssertSqlSafe(format!("show {name}"));
    sqlx::query_scalar(statement).fetch_one(database.pool()).await.expect("the setting is there")
}

async fn copy_users(database: &Database, users: u64) {
    let mut connection = connect(database).await;
    for first in (0..users).step_by(usize::try_from(COPIED_AT_ONCE).expect("it fits")) {
        let mut rows = String::new();
        for user in first..users.min(first + COPIED_AT_ONCE) {
            let id = user_id(user);
            rows.push_str(&format!("{id}\t{id}@example.com\t2025-01-01\n"));
        }
        let mut copy = connection
            .copy_in_raw(r#"copy public.users (id, email, "updatedAt") from stdin"#)
            .await
            .expect("users can be copied");
        copy.send(rows.into_bytes()).await.expect("users can be copied");
        copy.finish().await.expect("users can be copied");
    }
    connection.close().await.expect("the connection closes");
}

/// A connection apart from the pool.
pub async fn connect(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.expect("the server accepts connections")
}

/// The size of all rows and states with their indexes.
pub async fn bytes_on_disk(database: &Database) -> f64 {
    sqlx::query_scalar(
        "select (pg_total_relation_size('public.user_vectors') + pg_total_relation_size('segmenter.profile_states'))::float8",
    )
    .fetch_one(database.pool())
    .await
    .expect("the tables are there")
}

/// The server's writes since it started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written {
    /// Rows of `user_vectors` that were inserted or updated.
    pub rows: f64,
    /// Bytes of write-ahead log, of all databases.
    pub wal_bytes: f64,
    /// Full-page images in it.
    pub full_pages: f64,
}

impl Written {
    /// Complete once the writing sessions have disconnected.
    pub async fn by(database: &Database) -> Self {
        let (rows, wal_bytes, full_pages) = sqlx::query_as(
            "select (t.n_tup_ins + t.n_tup_upd)::float8, w.wal_bytes::float8, w.wal_fpi::float8
             from pg_stat_user_tables t, pg_stat_wal w where t.relid = 'public.user_vectors'::regclass",
        )
        .fetch_one(database.pool())
        .await
        .expect("the server keeps statistics");
        Self { rows, wal_bytes, full_pages }
    }

    pub fn since(self, before: Self) -> Self {
        Self {
            rows: self.rows - before.rows,
            wal_bytes: self.wal_bytes - before.wal_bytes,
            full_pages: self.full_pages - before.full_pages,
        }
    }
}
