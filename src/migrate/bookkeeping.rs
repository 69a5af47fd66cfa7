//! The tables of applied migrations, in schema `segmenter`.
//!
//! Applied migrations are stored in a table of sqlx's layout, written by sqlx's own code with its checksums. sqlx's `Migrator`
//! is not used: it waits for its advisory lock inside the database, which deadlocks with a concurrent index build of the holder,
//! and it can neither adapt to the schema that it finds nor replace an invalid index.

use sqlx::migrate::Migrate;
use sqlx::types::time::OffsetDateTime;
use sqlx::{Connection, PgConnection};

use super::error::MigrateError;
use super::files::VersionedFile;
use crate::store::sql;

/// The table of applied migrations.
pub(crate) const TABLE: &str = "segmenter._sqlx_migrations";

/// A migration that was applied to this database, by this binary or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Applied {
    pub version: i64,
    pub name: String,
    pub at: OffsetDateTime,
    pub checksum: Vec<u8>,
}

/// The applied migrations, oldest first; empty where the table does not exist.
pub(crate) async fn applied(conn: &mut PgConnection) -> Result<Vec<Applied>, sqlx::Error> {
    if !table_exists(conn, TABLE).await? {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, String, OffsetDateTime, Vec<u8>)> = sql::query_as(
        "select version, description, installed_on, checksum from segmenter._sqlx_migrations
          where success order by version",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(version, name, at, checksum)| Applied { version, name, at, checksum }).collect())
}

/// For each applied migration, the newest one that a binary must know: `(version, min_app_schema)`.
pub(crate) async fn compatibility(conn: &mut PgConnection) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    if !table_exists(conn, "segmenter.schema_compatibility").await? {
        return Ok(Vec::new());
    }
    sql::query_as("select version, min_app_schema from segmenter.schema_compatibility").fetch_all(conn).await
}

/// The objects that the migrations met: `(object, existed before us)`, in the order of the record.
pub(crate) async fn provenance(conn: &mut PgConnection) -> Result<Vec<(String, bool)>, sqlx::Error> {
    if !table_exists(conn, "segmenter.provenance").await? {
        return Ok(Vec::new());
    }
    sql::query_as("select object, existed from segmenter.provenance order by at, object").fetch_all(conn).await
}

/// Creates the schema and the tables of applied migrations where they are missing.
pub(super) async fn create_tables(conn: &mut PgConnection) -> Result<(), MigrateError> {
    let mut transaction = conn.begin().await?;
    let existed: bool =
        sql::query_scalar("select to_regnamespace('segmenter') is not null").fetch_one(&mut *transaction).await?;
    if !existed {
        // Not "if not exists": that needs the privilege to create schemas even where this one exists.
        sqlx::raw_sql("create schema segmenter").execute(&mut *transaction).await?;
    }
    transaction.ensure_migrations_table(TABLE).await?;
    sqlx::raw_sql(include_str!("../../migrations/bookkeeping.sql")).execute(&mut *transaction).await?;
    sql::query(
        "insert into segmenter.provenance (object, existed) values ('schema segmenter', $1) on conflict do nothing",
    )
    .bind(existed)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}

/// Drops the tables when no migration is left, and the schema if it was created with them and is empty.
pub(super) async fn drop_tables(conn: &mut PgConnection) -> Result<(), MigrateError> {
    let mut transaction = conn.begin().await?;
    let existed: Option<bool> =
        sql::query_scalar("select existed from segmenter.provenance where object = 'schema segmenter'")
            .fetch_optional(&mut *transaction)
            .await?;
    sqlx::raw_sql(
        "drop table segmenter.audit; drop table segmenter.schema_compatibility; drop table segmenter.provenance;
         drop table segmenter._sqlx_migrations",
    )
    .execute(&mut *transaction)
    .await?;
    let others: bool = sql::query_scalar(
        "select exists (select from pg_depend
                         where refclassid = 'pg_namespace'::regclass and refobjid = to_regnamespace('segmenter'))",
    )
    .fetch_one(&mut *transaction)
    .await?;
    if existed == Some(false) && !others {
        sqlx::raw_sql("drop schema segmenter").execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}

/// Records which binaries can work with a database that has this migration.
pub(super) async fn record_compatibility(conn: &mut PgConnection, file: &VersionedFile) -> Result<(), MigrateError> {
    sql::query(
        "insert into segmenter.schema_compatibility (version, min_app_schema) values ($1, $2)
         on conflict (version) do update set min_app_schema = excluded.min_app_schema",
    )
    .bind(file.version)
    .bind(file.min_app_schema)
    .execute(conn)
    .await?;
    Ok(())
}

/// Leaves the segment columns and their index to Prisma once its own migration for them counts as applied: dropping them would
/// make the schema drift from Prisma's history. One that was applied before ours added them had been undone by then.
pub(super) async fn cede_to_prisma(conn: &mut PgConnection) -> Result<(), MigrateError> {
    let both =
        table_exists(conn, "public._prisma_migrations").await? && table_exists(conn, "segmenter.provenance").await?;
    if both {
        sql::query(
            "update segmenter.provenance set existed = true
              where (starts_with(object, 'column public.user_vectors.') or starts_with(object, 'index '))
                and not existed
                and exists (select from public._prisma_migrations
                             where migration_name ~ 'add_user_segments$' and rolled_back_at is null
                               and finished_at > (select installed_on from segmenter._sqlx_migrations
                                                   where version = 1))",
        )
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Removes a reverted migration from the tables.
pub(super) async fn forget(conn: &mut PgConnection, version: i64) -> Result<(), MigrateError> {
    sql::query(
        "with applied as (delete from segmenter._sqlx_migrations where version = $1)
         delete from segmenter.schema_compatibility where version = $1",
    )
    .bind(version)
    .execute(conn)
    .await?;
    Ok(())
}

async fn table_exists(conn: &mut PgConnection, table: &str) -> Result<bool, sqlx::Error> {
    sql::query_scalar("select to_regclass($1) is not null").bind(table).fetch_one(conn).await
}
