//! The SQL of the operators' documents runs unchanged, and gives the documented results and privileges.

use std::time::Duration;

use segmenter::domain::event::UserId;
use segmenter::migrate::schema;
use segmenter::store::Store;
use segmenter::store::apply::Progress;
use segmenter::store::audit::{Act, Entry, Operator};
use segmenter::store::error::StoreError;
use segmenter::store::history::Histories;
use segmenter::store::outbox::RowKey;
use segmenter::store::positions::{Claim, PartitionKey, StoredPosition};
use segmenter::store::{distribution, jobs, lookup, outbox, positions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::scene::DEADLINE;
use crate::support::{Database, segmenter};
use crate::world::{apply, budget, group, migrated_database, onboarding, pace, store_on, tombstone, update, user};

const VALIDATION: &str = include_str!("../docs/validation.sql");
pub const GRANTS: &str = include_str!("../docs/grants.sql");
pub const GRANTS_FOR_JOBS: &str = include_str!("../docs/grants_jobs.sql");

/// The statements of a file, without comments.
pub fn statements(file: &str) -> Vec<String> {
    let code: Vec<&str> = file.lines().filter(|line| !line.starts_with("--")).collect();
    code.join("\n").split(';').map(|statement| statement.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

/// The results of the validation's queries, a JSON array of rows each.
pub async fn validate(pool: &PgPool) -> Vec<serde_json::Value> {
    let mut answers = Vec::new();
    for statement in statements(VALIDATION) {
        let asked = format!("select coalesce(jsonb_agg(to_jsonb(answer)), '[]')::text from ({statement}) answer");
        let text: String = sqlx::query_scalar(AssertSqlSafe(asked)).fetch_one(pool).await.unwrap();
        answers.push(serde_json::from_str(&text).unwrap());
    }
    answers
}

#[tokio::test]
async fn the_validation_runs_on_an_empty_table() {
    let database = migrated_database().await;
    let answers = validate(database.pool()).await;
    assert_eq!(answers[0].as_array().unwrap().len(), 4, "{}", answers[0]);
    assert_eq!(answers[1], serde_json::json!([{"total": 0, "with_segments": 0, "percentage": null}]));
    assert_eq!((&answers[2], &answers[3]), (&serde_json::json!([]), &serde_json::json!([])));
}

#[tokio::test]
async fn the_validation_counts_users_and_segments_and_finds_rows_that_contradict_themselves() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob", "cy"]).await;
    let store = store_on(database.pool()).await;
    let events = ["ann", "bob"].map(|name| onboarding(name, 5, vec![group("SOLO"), budget(10.0, 40.0)]));
    apply(&store, &events).await;
    database
        .run(r#"insert into user_vectors (id, "userId", vector, "updatedAt") values ('three', 'cy', '[0]', now())"#)
        .await;
    let answers = validate(database.pool()).await;
    assert_eq!(answers[1], serde_json::json!([{"total": 3, "with_segments": 2, "percentage": 66.67}]));
    assert_eq!(answers[2][0]["count"], 2);
    assert!(answers[2][0]["avg_confidence"].as_f64().is_some_and(|average| (0.0..=1.0).contains(&average)));
    assert_eq!(answers[3], serde_json::json!([]), "the rows that the service writes are consistent");
    assert_eq!(answers[4][0]["rows"], 1, "one fold, one outbox row");
    database.run(r#"update user_vectors set "primarySegment" = 'UNKNOWN_SEGMENT' where "userId" = 'bob'"#).await;
    assert_eq!(validate(database.pool()).await[3].as_array().unwrap().len(), 1);
}

/// A role with the privileges of some statements of `docs/grants.sql`. Roles belong to the whole server, so it has a random
/// name and is dropped at the end.
pub struct Role {
    pub name: String,
    pool: PgPool,
}

impl Role {
    pub async fn granted(database: &Database, grants: &[String]) -> Self {
        let name = format!("service_{}", Uuid::new_v4().simple());
        database.run(format!("create role {name}")).await;
        for grant in grants {
            database.run(grant.replace("segmenter_service", &name)).await;
        }
        let options: PgConnectOptions = database.url().parse().unwrap();
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(options.options([("role", &name)]));
        Self { name, pool }
    }

    pub async fn drop(self, database: &Database) {
        self.pool.close().await;
        database.run(format!("drop owned by {0}; drop role {0}", self.name)).await;
    }
}

/// The statements of `serve`, and the record of an operator's act, on users without a state.
async fn serve(pool: &PgPool, names: [&str; 2]) -> Result<(), String> {
    let text = |error: StoreError| error.to_string();
    let mut connection = pool.acquire().await.map_err(|error| error.to_string())?;
    let status = schema::check(&mut connection).await.map_err(|error| error.to_string())?;
    drop(connection);
    if !status.is_usable() {
        return Err(status.to_string());
    }
    let store = store_on(pool).await;
    let [one, learned] = names;
    fold(&store, &[onboarding(one, 5, vec![group("SOLO")]), onboarding(learned, 5, vec![group("COUPLE")])]).await?;
    fold(&store, &[update(one, 6, vec![pace("LOW"), budget(300.0, 900.0)])]).await?;
    fold(&store, &[tombstone(one, 9), tombstone(learned, 9), tombstone("unknown", 9)]).await?;
    publish(&store, &user(one)).await.map_err(text)?;
    read_a_partition(&store).await.map_err(text)?;
    distribution::sampled(&store.pool).await.map_err(text)?;
    let shown = jobs::open_and_newest_ended(&store.pool, 1).await.map_err(text)?;
    jobs::parts_of(&store.pool, &shown.iter().map(|job| job.id).collect::<Vec<_>>()).await.map_err(text)?;
    jobs::delete_ended(&store.pool, Duration::from_secs(3600)).await.map_err(text)?;
    let arguments = serde_json::json!({});
    let entry = Entry { operator: Operator::here(None), act: Act::Erase, arguments };
    let mut connection = pool.acquire().await.map_err(|error| error.to_string())?;
    entry.write(&mut connection).await.map_err(|error| error.to_string())?;
    drop(connection);
    lookup::state(&store.pool, &user(one)).await.map_err(text)?.map(drop).map_err(|error| error.to_string())
}

async fn fold(store: &Store, events: &[segmenter::domain::event::Event]) -> Result<(), String> {
    store.advance(&mut Progress::new(events)).await.map_err(|error| error.to_string())
}

/// The statements of a partition that is read.
async fn read_a_partition(store: &Store) -> Result<(), StoreError> {
    let key = PartitionKey { topic_id: Uuid::new_v4(), partition: 0 };
    let read = positions::read(&store.pool, "group", key, 1).await?;
    let position = StoredPosition { next_offset: 0, history: Some(read.1) };
    assert!(positions::set(&store.pool, "group", key, position, read).await?);
    let claim = Claim { key, confirmed: 0, next_offset: 1, ran_in: Histories::None, repairs: false };
    positions::confirm(&store.pool, "group", &[claim]).await.map(drop)
}

/// The statements of the publisher and the outbox gate.
async fn publish(store: &Store, user: &UserId) -> Result<(), StoreError> {
    outbox::depth(&store.pool).await?;
    outbox::users_with_newer_revisions(&store.pool, &[user.as_str()], &[0]).await?;
    outbox::last_published(&store.pool, &[user]).await?;
    let (taken, _) = outbox::take_over(&store.pool, store.owner, store.lease, 10).await?;
    let rows: Vec<RowKey> = taken.iter().map(|publication| publication.key).collect();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    outbox::renew(&store.pool, store.owner, store.lease, &ids).await?;
    outbox::delete(&store.pool, store.owner, &rows).await
}

async fn add_two(database: &Database, names: [&str; 2]) {
    database.add_users(names).await;
    let learned = names[1];
    database
        .run(format!(
            r#"insert into user_vectors (id, "userId", vector, source, "updatedAt") values ('v-{learned}', '{learned}', '[1]', 'behavior', now())"#
        ))
        .await;
}

#[tokio::test]
async fn a_role_with_the_documented_grants_can_serve_and_do_no_more() {
    let database = migrated_database().await;
    add_two(&database, ["ann", "bob"]).await;
    let role = Role::granted(&database, &statements(GRANTS)).await;
    assert_eq!(serve(&role.pool, ["ann", "bob"]).await, Ok(()));
    for forbidden in [
        "select email from public.users",
        "delete from public.users",
        "update public.users set id = id",
        "update public.user_vectors set version = 2",
        "update public.user_vectors set source = 'behavior'",
        "delete from segmenter.profile_states",
        "delete from segmenter._sqlx_migrations",
        "delete from segmenter.audit",
        "update segmenter.audit set operator = 'another'",
        "insert into segmenter.audit (act, host, arguments, role) values ('erase', 'here', '{}', 'another')",
        "insert into segmenter.audit (act, host, arguments, at) values ('erase', 'here', '{}', 'epoch')",
        "create table segmenter.mine (id int)",
    ] {
        let error = sqlx::query(forbidden).execute(&role.pool).await.expect_err(forbidden);
        let code = error.as_database_error().and_then(|database| database.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{forbidden}: {error}");
    }
    role.drop(&database).await;
}

#[tokio::test]
async fn a_role_with_the_documented_grants_can_verify_and_look_at_a_user() {
    let database = migrated_database().await;
    add_two(&database, ["ann", "bob"]).await;
    let role = Role::granted(&database, &statements(GRANTS)).await;
    apply(&store_on(&role.pool).await, &[onboarding("ann", 5, vec![group("SOLO")])]).await;
    let url = format!("{}?options[role]={}", database.url(), role.name);
    let environment = [("DATABASE_URL", url.as_str()), ("KAFKA_BROKERS", "127.0.0.1:1")];
    let commands = [
        (&["verify", "--deep", "all", "--json"][..], "\"completedProfiles\":null"),
        (&["user", "show", "ann"], "onboarding-5"),
        (&["user", "explain", "ann"], "CULTURAL_ENTHUSIAST"),
        (&["user", "erase", "ann"], "the row is deleted"),
    ];
    for (command, expected) in commands {
        let finished = segmenter(command, &environment).finish(DEADLINE).await;
        assert!(finished.code == Some(0) && finished.stdout.contains(expected), "{command:?}: {finished:?}");
    }
    role.drop(&database).await;
}

#[tokio::test]
async fn none_of_the_documented_grants_can_be_left_out() {
    let database = migrated_database().await;
    let grants = statements(GRANTS);
    for left_out in 0..grants.len() {
        let names = [format!("ann-{left_out}"), format!("bob-{left_out}")];
        let names = [names[0].as_str(), names[1].as_str()];
        add_two(&database, names).await;
        let mut fewer = grants.clone();
        let without = fewer.remove(left_out);
        let role = Role::granted(&database, &fewer).await;
        let served = serve(&role.pool, names).await;
        assert!(served.as_ref().is_err_and(|error| error.contains("permission denied")), "{without}: {served:?}");
        role.drop(&database).await;
    }
}

#[tokio::test]
async fn every_query_of_the_runbook_runs() {
    let database = migrated_database().await;
    let runbook = include_str!("../docs/runbook.md");
    let blocks: Vec<&str> =
        runbook.split("```sql\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        for statement in statements(block) {
            sqlx::query(AssertSqlSafe(statement)).fetch_all(database.pool()).await.unwrap();
        }
    }
}
