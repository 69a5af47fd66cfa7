//! Many states are looked for one by one, whatever the planner knew of the table when it first made a plan.

use segmenter::store::compare_and_set::many;
use segmenter::store::extent::Extent;
use segmenter::store::sql;
use segmenter::store::states::{self, Asked};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::*;
use crate::support::Database;

/// How many states are given, with places that are in no table.
const GIVEN: usize = 200;

/// The table from one situation to the next.
const SITUATIONS: [&str; 6] = [
    "alter table segmenter.profile_states set (autovacuum_enabled = false)",
    "vacuum analyze segmenter.profile_states, users",
    "insert into users (id, email, \"updatedAt\") select 'u' || i, 'e' || i, now() from generate_series(1, 3) i;
     insert into segmenter.profile_states (user_id, counter, state) select id, 1, '' from users",
    "analyze segmenter.profile_states, users",
    "insert into users (id, email, \"updatedAt\") select 'u' || i, 'e' || i, now() from generate_series(4, 300000) i;
     begin; set local session_replication_role = replica;
     insert into segmenter.profile_states (user_id, counter, state)
     select id, 1, '' from users on conflict do nothing; commit",
    "analyze segmenter.profile_states, users",
];

/// A session that has prepared the statement.
async fn session(database: &Database) -> PgConnection {
    let mut session = PgConnection::connect(database.url()).await.unwrap();
    for (name, statement) in [("known", many::SET_OF_KNOWN_USERS), ("anyone", many::SET_OF_ANY_USERS)] {
        sqlx::raw_sql(AssertSqlSafe(format!("prepare {name} as {statement}"))).execute(&mut session).await.unwrap();
    }
    session
}

fn array(of: impl Fn(usize) -> String) -> String {
    let elements: Vec<String> = (0..GIVEN).map(of).collect();
    format!("'{{{}}}'", elements.join(","))
}

/// What the statement is given: known states, first ones, and the users to be locked.
fn given() -> (String, String) {
    let user = |number| format!("u{number}");
    let number = |_| "1".to_owned();
    let null = |_| "null".to_owned();
    let state = || [array(user), array(number), array(number), array(null), array(number), array(null), array(number)];
    let of_known = state().join(", ");
    let places = array(|number| format!("\"({number},1)\""));
    let of_all = format!("{of_known}, {}, {places}, {of_known}, true", array(number));
    (of_all.clone(), format!("{of_all}, {}", array(user)))
}

/// The plans in a transaction as a fold of many has it.
async fn plans(session: &mut PgConnection, mode: &str) -> [Value; 2] {
    let reading = sql::begin_reading(session, Extent::Many).await.unwrap();
    let mut transaction = reading.begin_writing(Extent::Many).await.unwrap();
    let set_mode = format!("set local plan_cache_mode = {mode}");
    sqlx::raw_sql(AssertSqlSafe(set_mode)).execute(&mut *transaction).await.unwrap();
    let (of_anyone, of_known) = given();
    let mut plans = [Value::Null, Value::Null];
    for (plan, call) in plans.iter_mut().zip([format!("anyone({of_anyone})"), format!("known({of_known})")]) {
        let explain = format!("explain (format json) execute {call}");
        *plan = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut *transaction).await.unwrap();
    }
    transaction.rollback().await.unwrap();
    plans
}

/// Every node of a plan with the one above it.
fn nodes<'p>(above: &'p Value, node: &'p Value, found: &mut Vec<(&'p Value, &'p Value)>) {
    found.push((above, node));
    for below in node["Plans"].as_array().into_iter().flatten() {
        nodes(node, below, found);
    }
}

fn assert_looks_for_each_where_it_lay(plan: &Value, situation: &str) {
    let mut found = Vec::new();
    nodes(&Value::Null, &plan[0]["Plan"], &mut found);
    let reads = |relation: &'static str| {
        let is_read = move |(_, node): &&(&Value, &Value)| {
            node["Relation Name"] == relation && node["Node Type"] != "ModifyTable"
        };
        found.iter().filter(is_read)
    };
    let states: Vec<_> = reads("profile_states").collect();
    let [(join, scan)] = states[..] else { panic!("{situation}: {plan:#}") };
    assert_eq!(scan["Node Type"], "Tid Scan", "{situation}: {plan:#}");
    assert_eq!((&join["Node Type"], &scan["Parent Relationship"]), (&"Nested Loop".into(), &"Inner".into()));
    let given = &join["Plans"][0];
    assert_eq!((&given["Node Type"], &given["Alias"]), (&"Subquery Scan".into(), &"k".into()), "{situation}: {plan:#}");
    assert!(reads("users").all(|(_, scan)| scan["Node Type"] != "Seq Scan"), "{situation}: {plan:#}");
}

#[tokio::test]
async fn the_whole_table_is_never_read_whatever_was_known_of_it_when_the_plan_was_made() {
    let database = migrated_database().await;
    let mut sessions: Vec<PgConnection> = Vec::new();
    for situation in SITUATIONS {
        database.run(situation).await;
        // Those that are there already have a plan from when the table was another.
        sessions.push(session(&database).await);
        for session in &mut sessions {
            for mode in ["force_generic_plan", "force_custom_plan"] {
                for plan in plans(session, mode).await {
                    assert_looks_for_each_where_it_lay(&plan, &format!("{mode}, after {situation}"));
                }
            }
        }
    }
}

/// How many rows of the states a look at the whole table has read so far, once `session` has told all it did.
async fn rows_read_in_passing(database: &Database, session: &mut PgConnection) -> i64 {
    sqlx::raw_sql("select pg_stat_force_next_flush()").execute(session).await.unwrap();
    sqlx::query_scalar(
        "select seq_tup_read from pg_stat_user_tables where relid = 'segmenter.profile_states'::regclass",
    )
    .fetch_one(database.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn a_session_that_read_states_while_there_were_none_does_not_read_all_of_them_for_many_when_there_are() {
    let database = migrated_database().await;
    let mut session = PgConnection::connect(database.url()).await.unwrap();
    let names: Vec<String> = (0..GIVEN).map(|number| format!("u{number}")).collect();
    let users: Vec<&str> = names.iter().map(String::as_str).collect();
    for situation in &SITUATIONS[..2] {
        database.run(*situation).await;
    }
    // From the sixth time on PostgreSQL may keep the plan of a statement that has a name.
    for _ in 0..10 {
        states::read(&mut session, &users, Asked::OfStrangers).await.unwrap();
    }
    for situation in [SITUATIONS[2], SITUATIONS[4]] {
        database.run(situation).await;
    }
    let before = rows_read_in_passing(&database, &mut session).await;
    let snapshot = states::read(&mut session, &users, Asked::OfStrangers).await.unwrap();
    assert_eq!(snapshot.users().len(), GIVEN);
    assert_eq!(rows_read_in_passing(&database, &mut session).await, before);
}
