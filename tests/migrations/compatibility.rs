//! The schema check of `serve` on a database that is older, newer or otherwise different.

use segmenter::migrate::schema::{self, SchemaStatus};
use segmenter::migrate::{MigrateError, Refusal, RunOptions, Target};

use super::database::{BEFORE, Database, run};

async fn status(database: &Database) -> SchemaStatus {
    schema::check(&mut database.connect().await).await.unwrap()
}

/// A database as a later release leaves it: one more migration, which requires a binary with migration `requires`.
async fn migrated_by_a_later_release(requires: i64) -> Database {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    database
        .execute(&format!(
            "insert into segmenter._sqlx_migrations (version, description, success, checksum, execution_time)
             values (99, 'later', true, 'x', 1);
             insert into segmenter.schema_compatibility values (99, {requires})"
        ))
        .await;
    database
}

#[tokio::test]
async fn a_database_that_was_never_migrated_is_missing() {
    assert_eq!(status(&Database::shaped(BEFORE).await).await, SchemaStatus::Missing);
}

#[tokio::test]
async fn a_database_that_lacks_a_migration_is_behind_and_refused() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    database.revert(Target::OneStep).await.unwrap();
    let behind = status(&database).await;
    assert_eq!(behind, SchemaStatus::Behind { pending: vec![5] });
    assert!(!behind.is_usable());
}

#[tokio::test]
async fn a_newer_database_marked_as_compatible_serves_an_application_rolled_back() {
    let database = migrated_by_a_later_release(3).await;
    let newer = status(&database).await;
    assert_eq!(newer, SchemaStatus::NewerCompatible { newest: 99 });
    assert!(newer.is_usable());
    let (result, _) = run(&mut database.connect().await, RunOptions::default()).await;
    assert_eq!(result.unwrap(), Vec::<i64>::new());
}

#[tokio::test]
async fn a_newer_database_that_needs_a_newer_binary_is_refused_by_serve_run_and_revert() {
    let database = migrated_by_a_later_release(99).await;
    let too_new = SchemaStatus::TooNew { newest: 99, requires: 99 };
    assert_eq!(status(&database).await, too_new);
    for result in [database.run().await, database.revert(Target::OneStep).await] {
        assert!(matches!(result, Err(MigrateError::Refused(Refusal::Schema(status))) if status == too_new));
    }
}

#[tokio::test]
async fn a_migration_applied_from_another_file_is_noticed() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    database.execute("update segmenter._sqlx_migrations set checksum = 'x' where version = 2").await;
    let modified = SchemaStatus::Modified { versions: vec![2] };
    assert_eq!(status(&database).await, modified);
    assert!(matches!(database.run().await, Err(MigrateError::Refused(Refusal::Schema(status))) if status == modified));
}

#[tokio::test]
async fn columns_dropped_by_others_are_detected() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    database.execute("alter table user_vectors drop column segments").await;
    assert_eq!(status(&database).await, SchemaStatus::Damaged { missing: vec!["segments".to_owned()] });
    database.revert(Target::All).await.unwrap();
    assert_eq!(database.run().await.unwrap(), [1, 2, 3, 4, 5]);
}
