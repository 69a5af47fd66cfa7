//! `migrate run` on each shape of database.

use segmenter::migrate::schema::{self, Platform, SchemaStatus};
use segmenter::migrate::{self, MigrateError, Notice, Refusal, RunOptions};

use super::database::{AFTER, BEFORE, Database, EMPTY, PRISMA_AFTER, PRISMA_BEFORE, Shape, execute, revert, run};
use super::role::Role;

pub(super) const ALL: [i64; 5] = [1, 2, 3, 4, 5];
pub(super) const ADD_COLUMNS: RunOptions = RunOptions { add_columns: true, dry_run: false };

async fn upstream_schema(shape: Shape) -> String {
    Database::shaped(shape).await.public_schema()
}

#[tokio::test]
async fn an_empty_database_gets_the_platforms_table_without_the_key_to_users() {
    let database = Database::shaped(EMPTY).await;
    assert_eq!(database.run().await.unwrap(), ALL);

    let platform = Database::shaped(AFTER).await;
    platform.execute("alter table user_vectors drop constraint \"user_vectors_userId_fkey\"").await;
    assert_eq!(database.user_vectors(), platform.user_vectors());
    let tables = "select string_agg(tablename, ',') from pg_tables where schemaname = 'public'";
    assert_eq!(database.value(tables).await.as_deref(), Some("user_vectors"));
    let mut conn = database.connect().await;
    assert_eq!(schema::check(&mut conn).await.unwrap(), SchemaStatus::Current);
    let alone = Platform { has_users: false, states_follow_users: false };
    assert_eq!(Platform::detect(&mut conn).await.unwrap(), alone);
}

#[tokio::test]
async fn users_without_vectors_get_a_table_that_refers_to_them() {
    let database = Database::shaped(BEFORE).await;
    database.execute("drop table recommendations; drop table user_vectors").await;
    assert_eq!(database.run().await.unwrap(), ALL);

    let platform = Database::shaped(AFTER).await;
    platform.execute("drop table recommendations").await;
    assert_eq!(database.public_schema(), platform.public_schema());
}

#[tokio::test]
async fn a_platform_without_the_columns_and_without_prisma_gets_them_as_prisma_would_add_them() {
    let database = Database::shaped(BEFORE).await;
    assert_eq!(database.run().await.unwrap(), ALL);
    assert_eq!(database.public_schema(), upstream_schema(AFTER).await);
    let mut conn = database.connect().await;
    let followed = Platform { has_users: true, states_follow_users: true };
    assert_eq!(Platform::detect(&mut conn).await.unwrap(), followed);
}

#[tokio::test]
async fn nothing_in_public_changes_where_the_columns_are() {
    let database = Database::shaped(PRISMA_AFTER).await;
    let before = database.public_schema();
    assert_eq!(database.run().await.unwrap(), ALL);
    assert_eq!(database.public_schema(), before);
}

#[tokio::test]
async fn prismas_database_without_the_columns_is_refused_and_its_migration_named() {
    let database = Database::shaped(PRISMA_BEFORE).await;
    let refusal = database.run().await.unwrap_err();
    let missing = ["segments", "primarySegment", "segmentConfidence", "lastSegmentUpdate"].map(str::to_owned).to_vec();
    assert!(matches!(&refusal, MigrateError::Refused(Refusal::PrismaColumns { missing: named }) if *named == missing));
    assert!(refusal.to_string().contains("IA-002.1 add_user_segments"), "{refusal}");
    assert_eq!(database.value("to_regnamespace('segmenter')").await, None);
    assert_eq!(database.public_schema(), upstream_schema(PRISMA_BEFORE).await);
}

#[tokio::test]
async fn prismas_database_without_the_table_is_refused_even_with_add_columns() {
    let database = Database::shaped(PRISMA_BEFORE).await;
    database.execute("drop table recommendations; drop table user_vectors").await;
    let (result, _) = run(&mut database.connect().await, ADD_COLUMNS).await;
    assert!(matches!(result, Err(MigrateError::Refused(Refusal::PrismaTable))));
}

#[tokio::test]
async fn add_columns_overrides_with_a_remark_and_equals_prismas_own_migration() {
    let database = Database::shaped(PRISMA_BEFORE).await;
    let (result, notices) = run(&mut database.connect().await, ADD_COLUMNS).await;
    assert_eq!(result.unwrap(), ALL);
    let is_the_remark =
        |notice: &Notice| matches!(notice, Notice::Remark(text) if text.contains("prisma migrate resolve"));
    assert!(notices.iter().any(is_the_remark), "{notices:?}");
    assert_eq!(database.public_schema(), upstream_schema(PRISMA_AFTER).await);
}

#[tokio::test]
async fn only_the_columns_that_are_missing_are_added() {
    let database = Database::shaped(BEFORE).await;
    database.execute("alter table user_vectors add column segments jsonb, add column \"primarySegment\" text").await;
    assert_eq!(database.run().await.unwrap(), ALL);
    assert_eq!(database.public_schema(), upstream_schema(AFTER).await);
}

#[tokio::test]
async fn running_twice_does_nothing_the_second_time() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    let mut conn = database.connect().await;
    let before = migrate::info(&mut conn).await.unwrap();
    let (result, notices) = run(&mut conn, RunOptions::default()).await;
    assert_eq!(result.unwrap(), Vec::<i64>::new());
    assert_eq!(notices, [Notice::Nothing]);
    assert_eq!(migrate::info(&mut conn).await.unwrap(), before);
}

#[tokio::test]
async fn statements_that_do_not_know_the_columns_still_work() {
    let database = Database::shaped(BEFORE).await;
    database.run().await.unwrap();
    let mut conn = database.connect().await;
    sqlx::raw_sql(
        "insert into users (id, email, \"updatedAt\") values ('u3', 'u3@example.org', now());
         insert into user_vectors (id, \"userId\", vector, \"updatedAt\") values ('v3', 'u3', '[]', now());
         update user_vectors set vector = '[1]', \"usageCount\" = \"usageCount\" + 1 where \"userId\" = 'u1'",
    )
    .execute(&mut conn)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_dry_run_reports_its_actions_and_changes_nothing() {
    let database = Database::shaped(BEFORE).await;
    let options = RunOptions { add_columns: false, dry_run: true };
    let (result, notices) = run(&mut database.connect().await, options).await;
    assert_eq!(result.unwrap(), Vec::<i64>::new());
    let reported: Vec<_> = notices.iter().map(Notice::to_string).collect();
    assert_eq!(reported.len(), ALL.len());
    assert!(reported[0].contains("add to public.user_vectors: segments, primarySegment"), "{reported:?}");
    assert!(reported[1].contains("concurrently"), "{reported:?}");
    assert_eq!(database.value("to_regnamespace('segmenter')").await, None);
    assert_eq!(database.public_schema(), upstream_schema(BEFORE).await);
}

#[tokio::test]
async fn info_lists_applied_migrations_and_the_objects_before_them() {
    let database = Database::shaped(BEFORE).await;
    let mut conn = database.connect().await;
    let before = migrate::info(&mut conn).await.unwrap();
    assert_eq!(before.status, SchemaStatus::Missing);
    assert!(before.migrations.iter().all(|migration| migration.applied_at.is_none()));
    assert_eq!(database.value("to_regnamespace('segmenter')").await, None);

    database.run().await.unwrap();
    let info = migrate::info(&mut conn).await.unwrap();
    assert_eq!(info.status, SchemaStatus::Current);
    assert!(info.migrations.iter().all(|migration| migration.applied_at.is_some() && migration.checksum_matches));
    for (object, existed) in [
        ("schema segmenter", false),
        ("table public.user_vectors", true),
        ("column public.user_vectors.segments", false),
        ("index public.user_vectors_primarySegment_idx", false),
    ] {
        assert!(info.provenance.contains(&(object.to_owned(), existed)), "{object}: {:?}", info.provenance);
    }
    assert!(info.to_string().contains("1 segment_columns: applied 20"), "{info}");
}

#[tokio::test]
async fn an_owner_of_the_tables_without_superuser_rights_can_run_and_revert_all() {
    let database = Database::shaped(BEFORE).await;
    let mut conn = database.connect().await;
    let role = Role::create(&mut conn).await;
    let name = &role.name;
    execute(
        &mut conn,
        &format!(
            "alter table users owner to {name}; alter table user_vectors owner to {name};
             grant create on schema public to {name};
             do $$ begin execute format('grant create on database %I to {name}', current_database()); end $$;
             set session authorization {name}"
        ),
    )
    .await;
    let (result, _) = run(&mut conn, RunOptions::default()).await;
    assert_eq!(result.unwrap(), ALL);
    let everything = migrate::RevertOptions { target: migrate::Target::All, execute: true };
    let (result, _) = revert(&mut conn, everything).await;
    assert_eq!(result.unwrap(), [5, 4, 3, 2, 1]);
    role.drop(&mut conn).await;
}

#[tokio::test]
async fn a_role_without_rights_is_refused_and_a_schema_made_for_it_is_used() {
    let database = Database::shaped(BEFORE).await;
    let mut conn = database.connect().await;
    let role = Role::create(&mut conn).await;
    let name = &role.name;
    let become_role = format!("set session authorization {name}");
    execute(&mut conn, &become_role).await;
    let (result, _) = run(&mut conn, RunOptions::default()).await;
    assert!(matches!(result, Err(MigrateError::Refused(Refusal::NotPermitted(_)))), "{result:?}");

    let prepare = format!(
        "reset session authorization; create schema segmenter authorization {name};
         alter table public.user_vectors owner to {name}; grant references on public.users to {name};
         grant create on schema public to {name}; {become_role}"
    );
    execute(&mut conn, &prepare).await;
    let (result, _) = run(&mut conn, RunOptions::default()).await;
    assert_eq!(result.unwrap(), ALL);
    let everything = migrate::RevertOptions { target: migrate::Target::All, execute: true };
    revert(&mut conn, everything).await.0.unwrap();
    assert_eq!(database.value("to_regnamespace('segmenter')").await.as_deref(), Some("segmenter"));
    role.drop(&mut conn).await;
}
