//! `schemas/prisma`: the migrations that a platform deploys itself make the columns and the index that ours would make, and ours
//! then leave them.

use std::collections::BTreeMap;
use std::fs;

use segmenter::migrate::Target;
use sqlx::PgConnection;

use super::database::{BEFORE, Database, PRISMA_BEFORE, execute, run, value};
use super::running::{ADD_COLUMNS, ALL};
use crate::support::source;

const FRAGMENT: &str = include_str!("../../schemas/prisma/user_vector.prisma");

/// Deploys what is pending of `schemas/prisma/migrations` as `prisma migrate deploy` does: in the order of the folders' names,
/// each file as one query.
pub async fn deploy(conn: &mut PgConnection) {
    let folders = fs::read_dir(source("schemas/prisma/migrations")).unwrap();
    let mut folders: Vec<_> = folders.map(|folder| folder.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let count = format!("select count(*) from _prisma_migrations where migration_name = '{name}'");
        if value(conn, &count).await.as_deref() == Some("0") {
            execute(conn, &fs::read_to_string(folder.join("migration.sql")).unwrap()).await;
            let deployed = format!(
                "insert into _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count)
                 values (gen_random_uuid(), '', now(), '{name}', 1)"
            );
            execute(conn, &deployed).await;
        }
    }
}

async fn deployed() -> Database {
    let database = Database::shaped(PRISMA_BEFORE).await;
    deploy(&mut database.connect().await).await;
    database
}

#[tokio::test]
async fn prismas_migrations_make_the_columns_and_the_index_that_ours_make() {
    let ours = Database::shaped(BEFORE).await;
    ours.run().await.unwrap();
    assert_eq!(deployed().await.user_vectors(), ours.user_vectors());
}

#[tokio::test]
async fn ours_adopt_prismas_columns_and_index_and_a_revert_leaves_them() {
    let database = deployed().await;
    let before = database.public_schema();
    assert_eq!(database.run().await.unwrap(), ALL);
    let adopted = "select bool_and(existed) from segmenter.provenance where object ~ '^(column|index) '";
    assert_eq!(database.value(adopted).await.as_deref(), Some("true"));
    assert_eq!(database.public_schema(), before);
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.public_schema(), before);
}

#[tokio::test]
async fn a_revert_works_where_prisma_has_dropped_its_columns_and_index_before() {
    let database = deployed().await;
    database.run().await.unwrap();
    drop_all(&database).await;
    let before = database.public_schema();
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.public_schema(), before);
    assert_eq!(database.value("to_regnamespace('segmenter')").await, None);
}

#[tokio::test]
async fn columns_that_prisma_removed_and_ours_added_again_are_ours() {
    let database = deployed().await;
    drop_all(&database).await;
    let before = database.public_schema();
    run(&mut database.connect().await, ADD_COLUMNS).await.0.unwrap();
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.public_schema(), before);
}

async fn drop_all(database: &Database) {
    database
        .execute(
            r#"alter table user_vectors drop column segments, drop column "primarySegment",
               drop column "segmentConfidence", drop column "lastSegmentUpdate""#,
        )
        .await;
}

#[tokio::test]
async fn the_fragment_of_the_prisma_schema_names_the_columns_with_their_types_and_the_index() {
    let types = BTreeMap::from([
        ("Json?", "jsonb"),
        ("String?", "text"),
        ("Float?", "double precision"),
        ("DateTime?", "timestamp(3) without time zone"),
    ]);
    let fields = FRAGMENT.lines().filter_map(|line| {
        let (name, of_type) = line.trim().split_once(' ')?;
        Some(format!("{name} {}", types.get(of_type.trim())?))
    });
    let expected: Vec<String> = fields.collect();
    let added = "select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ',' order by attnum)
                 from pg_attribute where attrelid = 'user_vectors'::regclass and attnum > 9 and not attnotnull";
    assert_eq!(deployed().await.value(added).await.as_deref(), Some(expected.join(",").as_str()));
    assert!(FRAGMENT.contains("  @@index([primarySegment])\n  @@map(\"user_vectors\")\n"));
}
