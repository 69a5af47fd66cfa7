//! `--deep`: stored rows, compared with the rows that the stored profiles give.

use super::{found, verify};
use crate::world::{apply, budget, group, migrated_database, onboarding, store_on};

#[tokio::test]
async fn every_column_that_differs_from_the_state_is_found_and_a_learned_vector_is_not_compared() {
    let database = migrated_database().await;
    let names = ["ann", "bob", "cy", "dan", "eve"];
    database.add_users(names).await;
    let store = store_on(database.pool()).await;
    apply(&store, &names.map(|name| onboarding(name, 5, vec![group("SOLO"), budget(10.0, 40.0)]))).await;
    let (code, report) = verify(&database, &["--deep", "all"]).await;
    assert_eq!((code, &report["counts"]["compared"]), (Some(0), &5.into()), "{report}");
    database
        .run(
            r#"update user_vectors set vector = '[0,0,0,0,0,0,0,0]' where "userId" in ('ann', 'bob');
               update user_vectors set source = 'hybrid' where "userId" = 'bob';
               update user_vectors set "lastSegmentUpdate" = "lastSegmentUpdate" + interval '1 ms' where "userId" = 'cy';
               update user_vectors set segments = jsonb_set(segments, '{0,reasons}', '["because"]') where "userId" = 'dan';
               update segmenter.profile_states set catalog_version = 99 where user_id = 'eve';
               update user_vectors set vector = '[]' where "userId" = 'eve'"#,
        )
        .await;
    let (code, report) = verify(&database, &[]).await;
    assert_eq!((code, found(&report)), (Some(4), vec!["stale-catalog: eve".to_owned()]), "only --deep finds the rest");
    let (code, report) = verify(&database, &["--deep", "all"]).await;
    assert_eq!(code, Some(4));
    assert_eq!(found(&report), ["stale-catalog: eve", "difference: ann", "difference: cy", "difference: dan"]);
    let details: Vec<&str> =
        report["examples"].as_array().unwrap()[1..].iter().map(|example| example["detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["vector", "lastSegmentUpdate", "segments"]);
    assert_eq!(report["counts"]["otherCatalog"], 1);
}

#[tokio::test]
async fn a_sample_has_about_the_given_number_of_users() {
    let database = migrated_database().await;
    let names: Vec<String> = (0..400).map(|number| format!("user-{number}")).collect();
    database.add_users(names.iter().map(String::as_str)).await;
    let store = store_on(database.pool()).await;
    let events: Vec<_> = names.iter().map(|name| onboarding(name, 5, vec![group("SOLO")])).collect();
    apply(&store, &events).await;
    let (code, report) = verify(&database, &["--deep", "100"]).await;
    let compared = report["counts"]["compared"].as_u64().unwrap();
    // One in four of 400; chance leaves this range once in many millions of runs.
    assert!(code == Some(0) && (40..=160).contains(&compared), "{report}");
    let (_, report) = verify(&database, &["--deep"]).await;
    assert_eq!(report["counts"]["compared"], 400, "fewer users than the sample are all compared");
}
