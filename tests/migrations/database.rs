//! A fresh database in one of the shapes the platform's may have, and short ways to ask it things.

use std::process::Command;
use std::time::Duration;

use segmenter::store::migrate::{self, Limits, MigrateError, Notice, RevertOptions, RunOptions, Target};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

pub const BEFORE: &str = include_str!("platform_before.sql");
pub const ADD_USER_SEGMENTS: &str = include_str!("prisma_add_user_segments.sql");
pub const PRISMA: &str = include_str!("prisma_bookkeeping.sql");

/// Short, so that a test which waits for a refusal does not take long.
pub const LIMITS: Limits = Limits {
    lock_timeout: Duration::from_millis(200),
    build_timeout: Duration::from_secs(30),
    attempts: 2,
    pause: Duration::from_millis(20),
    deadline: Duration::from_secs(60),
    poll: Duration::from_millis(20),
};

pub struct Database {
    pub url: String,
}

impl Database {
    /// With the statements of `shape` done in it.
    pub async fn shaped(shape: &[&'static str]) -> Self {
        let url = fresh_database().await;
        let database = Self { url };
        let mut conn = database.connect().await;
        for sql in shape {
            execute(&mut conn, sql).await;
        }
        database
    }

    pub async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url.parse().expect("a database URL");
        options.connect().await.expect("a connection")
    }

    /// What `pg_dump` says of the platform's schema, without what differs from database to database.
    pub fn public_schema(&self) -> String {
        let dump = Command::new("pg_dump")
            .args(["--schema=public", "--schema-only", "--no-owner", &self.url])
            .output()
            .expect("pg_dump runs");
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        let text = String::from_utf8(dump.stdout).expect("UTF-8");
        text.lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    pub async fn run(&self) -> Result<Vec<i64>, MigrateError> {
        run(&mut self.connect().await, RunOptions::default()).await.0
    }

    pub async fn revert(&self, target: Target) -> Result<Vec<i64>, MigrateError> {
        let options = RevertOptions { target, yes: true, dry_run: false };
        revert(&mut self.connect().await, options).await.0
    }

    /// One value, as text.
    pub async fn value(&self, sql: &str) -> Option<String> {
        value(&mut self.connect().await, sql).await
    }

    pub async fn execute(&self, sql: &str) {
        execute(&mut self.connect().await, sql).await;
    }
}

/// Runs with short limits and returns what was told on the way.
pub async fn run(conn: &mut PgConnection, options: RunOptions) -> (Result<Vec<i64>, MigrateError>, Vec<Notice>) {
    let mut notices = Vec::new();
    let result = migrate::run(conn, options, &LIMITS, &mut |notice| notices.push(notice)).await;
    (result, notices)
}

/// Reverts with short limits and returns what was told on the way.
pub async fn revert(conn: &mut PgConnection, options: RevertOptions) -> (Result<Vec<i64>, MigrateError>, Vec<Notice>) {
    let mut notices = Vec::new();
    let result = migrate::revert(conn, options, &LIMITS, &mut |notice| notices.push(notice)).await;
    (result, notices)
}

pub async fn execute(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
}

pub async fn value(conn: &mut PgConnection, sql: &str) -> Option<String> {
    let sql = format!("select ({sql})::text");
    sqlx::query_scalar(AssertSqlSafe(sql.as_str()))
        .fetch_one(conn)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

async fn fresh_database() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let base = "postgresql://postgres@localhost:55433";
    let options: PgConnectOptions = format!("{base}/postgres").parse().unwrap();
    let mut conn = options.connect().await.unwrap();
    execute(&mut conn, &format!("create database {name} template template0")).await;
    format!("{base}/{name}")
}
