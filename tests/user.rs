//! `segmenter user`: the stored data of one user is shown, and an erased user is not brought back by older events.

mod erase;

use serde_json::{Value, json};

use crate::scene::DEADLINE;
use crate::support::{Finished, segmenter};
use crate::world::{apply, budget, group, migrated_database, onboarding, store_on, time, tombstone, update};

const CATALOG: &str = include_str!("../src/domain/scoring/catalog.toml");

async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    segmenter(arguments, environment).finish(DEADLINE).await
}

#[tokio::test]
async fn a_user_is_shown_without_contents_unless_content_is_given() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 5, vec![group("SOLO"), budget(10.0, 40.0)])]).await;
    apply(&store, &[update("ann", 7, vec![budget(87654321.0, 97654321.0)])]).await;
    let environment = [("DATABASE_URL", database.url())];

    let shown = run(&["user", "show", "ann", "--json"], &environment).await;
    let page: Value = serde_json::from_str(&shown.stdout).unwrap_or_else(|_| panic!("{shown:?}"));
    assert_eq!((shown.code, &page["onPlatform"], &page["deleted"]), (Some(0), &json!(true), &Value::Null));
    let state = &page["state"];
    assert_eq!((&state["onboardedAt"], &state["erasedAt"]), (&json!(time(5).to_string()), &Value::Null));
    assert_eq!(
        state["sections"][0],
        json!({"section": "budget", "writtenAt": time(7).to_string(), "eventId": "onboarding-7"})
    );
    assert_eq!(page["row"]["lastSegmentUpdate"], json!(time(7).to_string()));
    assert_eq!(page["row"]["primarySegment"], page["row"]["segments"][0]["segment"]);
    assert!(page["outboxRows"].as_u64().is_some_and(|rows| rows >= 1), "{page}");
    assert!(!shown.stdout.contains("87654321"), "contents are personal data");

    let table = run(&["user", "show", "ann"], &environment).await;
    assert!(table.code == Some(0) && !table.stdout.contains("87654321"), "{table:?}");
    let contents = run(&["user", "show", "ann", "--content", "--json"], &environment).await;
    let page: Value = serde_json::from_str(&contents.stdout).unwrap();
    assert_eq!(
        page["state"]["sections"][0]["content"]["globalRange"],
        json!({"min": 87654321.0, "max": 97654321.0, "currency": null})
    );
    assert!(run(&["user", "show", "ann", "--content"], &environment).await.stdout.contains("87654321"));
}

#[tokio::test]
async fn a_deleted_user_is_shown_with_the_tombstones_revision_and_an_unknown_user_is_an_error() {
    let database = migrated_database().await;
    database.add_users(["ann", "bob"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 5, vec![group("SOLO")])]).await;
    apply(&store, &[tombstone("erased", 9)]).await;
    database.run("delete from users where id = 'ann'").await;
    let environment = [("DATABASE_URL", database.url())];
    let shown = run(&["user", "show", "ann", "--json"], &environment).await;
    let page: Value = serde_json::from_str(&shown.stdout).unwrap_or_else(|_| panic!("{shown:?}"));
    assert!(page["state"].is_null() && page["row"].is_null(), "{page}");
    assert!(page["deleted"]["revision"].as_i64().is_some_and(|revision| revision > 0), "{page}");
    let shown = run(&["user", "show", "erased"], &environment).await;
    assert!(shown.code == Some(0) && shown.stdout.contains(&time(9).to_string()), "{shown:?}");
    for stranger in ["bob", "stranger"] {
        let shown = run(&["user", "show", stranger], &environment).await;
        assert!(shown.code == Some(1) && shown.log.contains("nothing is stored"), "{shown:?}");
    }
}

#[tokio::test]
async fn a_stored_user_is_explained_with_the_configured_catalog() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    apply(&store, &[onboarding("ann", 5, vec![group("SOLO"), budget(10.0, 40.0)])]).await;
    let catalog = std::env::temp_dir().join(format!("segmenter-catalog-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&catalog, CATALOG.replacen("version = 1", "version = 41", 1)).unwrap();
    let environment = [("DATABASE_URL", database.url()), ("SEGMENTER_CATALOG_FILE", catalog.to_str().unwrap())];
    for configured in [false, true] {
        let environment = if configured { &environment[..] } else { &environment[..1] };
        let one = run(&["user", "explain", "ann"], environment).await;
        assert_eq!(one.code, Some(0), "{one:?}");
        assert_eq!(
            one.stdout.lines().any(|line| line.split_whitespace().eq(["catalog_version", "41"])),
            configured,
            "{}",
            one.stdout
        );
    }
    assert_eq!(run(&["user", "explain", "bob"], &environment).await.code, Some(1));
    std::fs::remove_file(&catalog).unwrap();
}
