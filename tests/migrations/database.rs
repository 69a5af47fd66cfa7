//! A fresh database in one of the platform's shapes, with helpers for statements and dumps.

use std::process::Command;
use std::time::Duration;

use segmenter::migrate::{self, Limits, MigrateError, Notice, RevertOptions, RunOptions, Target};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::support;
use segmenter::store::audit::Operator;

const BEFORE_IA: &str = include_str!("../fixtures/upstream/before_ia.sql");
const IA: &str = include_str!("../fixtures/upstream/ia_002_1.sql");
const ROWS: &str = include_str!("rows.sql");
const WITHOUT_PRISMA: &str = "drop table _prisma_migrations";

/// The content of a database before our migrations, as statements.
pub(super) type Shape = &'static [&'static str];

pub(super) const EMPTY: Shape = &[];
/// The platform before IA-002.1, governed by Prisma.
pub(super) const PRISMA_BEFORE: Shape = &[BEFORE_IA, ROWS];
/// The platform with IA-002.1, governed by Prisma.
pub(super) const PRISMA_AFTER: Shape = &[BEFORE_IA, IA, ROWS];
/// The platform's tables before IA-002.1, without Prisma.
pub(super) const BEFORE: Shape = &[BEFORE_IA, ROWS, WITHOUT_PRISMA];
/// The platform's tables with IA-002.1, without Prisma.
pub(super) const AFTER: Shape = &[BEFORE_IA, IA, ROWS, WITHOUT_PRISMA];

/// Short, so that a test that waits for a refusal is fast.
pub(super) const LIMITS: Limits = Limits {
    lock_timeout: Duration::from_millis(200),
    build_timeout: Duration::from_secs(30),
    attempts: 2,
    pause: Duration::from_millis(20),
    longest_pause: Duration::from_millis(20),
    deadline: Duration::from_secs(60),
    poll: Duration::from_millis(20),
};

pub(super) struct Database(support::Database);

impl Database {
    pub(super) async fn shaped(shape: Shape) -> Self {
        let database = Self(support::postgres().fresh_database().await);
        let mut conn = database.connect().await;
        for sql in shape {
            execute(&mut conn, sql).await;
        }
        database
    }

    pub(super) fn url(&self) -> &str {
        self.0.url()
    }

    pub(super) async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url().parse().unwrap();
        options.connect().await.unwrap()
    }

    /// The `pg_dump` of the platform's schema.
    pub(super) fn public_schema(&self) -> String {
        self.dump("--schema=public")
    }

    /// The `pg_dump` of `public.user_vectors` alone.
    pub(super) fn user_vectors(&self) -> String {
        self.dump("--table=public.user_vectors")
    }

    fn dump(&self, part: &str) -> String {
        let dump = Command::new("pg_dump").args(["--schema-only", "--no-owner", part, self.url()]).output().unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        let text = String::from_utf8(dump.stdout).unwrap();
        // Newer versions of pg_dump put a random token at both ends of the output.
        let same_every_time = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
        text.lines().filter(same_every_time).collect::<Vec<_>>().join("\n")
    }

    pub(super) async fn run(&self) -> Result<Vec<i64>, MigrateError> {
        run(&mut self.connect().await, RunOptions::default()).await.0
    }

    pub(super) async fn revert(&self, target: Target) -> Result<Vec<i64>, MigrateError> {
        let options = RevertOptions { target, execute: true };
        revert(&mut self.connect().await, options).await.0
    }

    /// One value, as text.
    pub(super) async fn value(&self, sql: &str) -> Option<String> {
        value(&mut self.connect().await, sql).await
    }

    pub(super) async fn execute(&self, sql: &str) {
        execute(&mut self.connect().await, sql).await;
    }
}

/// Runs with short limits and returns the notices too.
pub(super) async fn run(conn: &mut PgConnection, options: RunOptions) -> (Result<Vec<i64>, MigrateError>, Vec<Notice>) {
    let mut notices = Vec::new();
    let result = migrate::run(conn, options, &LIMITS, &mut |notice| notices.push(notice)).await;
    (result, notices)
}

/// Reverts with short limits and returns the notices too.
pub(super) async fn revert(
    conn: &mut PgConnection,
    options: RevertOptions,
) -> (Result<Vec<i64>, MigrateError>, Vec<Notice>) {
    let mut notices = Vec::new();
    let result =
        migrate::revert(conn, options, &Operator::here(None), &LIMITS, &mut |notice| notices.push(notice)).await;
    (result, notices)
}

pub(super) async fn execute(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
}

pub(super) async fn value(conn: &mut PgConnection, sql: &str) -> Option<String> {
    let sql = format!("select ({sql})::text");
    sqlx::query_scalar(AssertSqlSafe(sql.as_str()))
        .fetch_one(conn)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{sql}"))
}
