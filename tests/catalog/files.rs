//! `catalog show`, `check` and `diff`, which need neither a database nor Kafka.

use serde_json::json;

use super::{BUILTIN, catalog, json as report, path, run};
use crate::scene::DEADLINE;
use crate::support::segmenter;

#[tokio::test]
async fn the_catalog_that_is_shown_is_the_file_of_the_configured_one() {
    assert_eq!(run(&["catalog", "show"]).await.stdout.trim_end(), BUILTIN.trim_end());
    let narrower = catalog(&[("maximum_segments = 3", "maximum_segments = 2")]);
    let environment = [("SEGMENTER_CATALOG_FILE", path(&narrower))];
    let shown = segmenter(&["catalog", "show"], &environment).finish(DEADLINE).await;
    assert_eq!(shown.stdout.trim_end(), std::fs::read_to_string(narrower.path()).unwrap().trim_end());
    let shown = report(&segmenter(&["catalog", "show", "--json"], &environment).finish(DEADLINE).await);
    assert_eq!((&shown["catalog"]["maximum_segments"], &shown["catalog"]["rates"]["JPY"]), (&json!(2), &json!(160.0)));
    assert_eq!(shown["hash"].as_str().map(str::len), Some(64));
}

#[tokio::test]
async fn a_valid_catalog_is_0_and_every_mistake_of_another_is_listed_with_its_place() {
    let good = run(&["catalog", "check"]).await;
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.stdout.starts_with("the catalog is valid: version 1, hash "), "{good:?}");

    let bad = catalog(&[
        ("version = 1", "version = 0"),
        ("activity = 0.95, comfort = 0.4", "activity = 1.5"),
        ("USD", "usd"),
    ]);
    let checked = run(&["catalog", "check", "--catalog", path(&bad)]).await;
    let mistakes = [
        "version: must be a whole number from 1 to 2147483647",
        "rates.usd: must be a currency of three capital letters",
        "segments[3].centroid.activity: must be a number between 0 and 1",
        "segments[3].centroid.comfort: is missing",
    ];
    assert_eq!((checked.code, checked.stdout.lines().collect::<Vec<_>>()), (Some(4), mistakes.to_vec()), "{checked:?}");
    let checked = report(&run(&["catalog", "check", "--json", "--catalog", path(&bad)]).await);
    assert_eq!((&checked["ok"], &checked["mistakes"]), (&json!(false), &json!(mistakes)));

    let broken = catalog(&[("[weights]", "[weights")]);
    let checked = run(&["catalog", "check", "--catalog", path(&broken)]).await;
    assert!(checked.code == Some(4) && checked.stdout.contains("line 10"), "{checked:?}");
    assert_eq!(run(&["catalog", "check", "--catalog", "/does/not/exist"]).await.code, Some(1));
}

#[tokio::test]
async fn the_differences_between_two_catalogs_are_named_in_words() {
    let old = catalog(&[("version = 1", "version = 2")]);
    let new = catalog(&[("version = 1", "version = 3"), ("minimum_score = 0.3", "minimum_score = 0.5")]);
    let compared = report(&run(&["catalog", "diff", "--json", "--from", path(&old), "--catalog", path(&new)]).await);
    let expected = json!([
        {"part": "version", "change": "3, before 2"},
        {"part": "minimum_score", "change": "0.5, before 0.3: fewer segments reach it"},
    ]);
    assert_eq!(compared["differences"], expected);
    let next = format!("segmenter catalog simulate --catalog {} --from {}", path(&new), path(&old));
    assert_eq!(compared["next"], next);
    let with_builtin = run(&["catalog", "diff", "--catalog", path(&new)]).await;
    assert_eq!(with_builtin.code, Some(0), "{with_builtin:?}");
    assert!(with_builtin.stdout.contains("version        3, before 1\n"), "{}", with_builtin.stdout);
}
