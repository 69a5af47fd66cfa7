//! `catalog simulate`: the flows that a recompute would make, without a write.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::{by_group, catalog, filled, json as report, path, run_in};
use crate::scene::Scene;
use crate::support::{frames, on_a_terminal};
use crate::world::{apply, group, onboarding, store_on, table, tombstone, update};

type Primaries = BTreeMap<String, Option<String>>;

async fn primaries(scene: &Scene) -> Primaries {
    table(scene.database.pool()).await.into_iter().map(|(user, row)| (user, row.primary_segment)).collect()
}

/// The number of users by primary segment before and after.
fn flows(before: &Primaries, after: &Primaries) -> BTreeMap<(String, String), u64> {
    let mut flows = BTreeMap::new();
    for (user, from) in before {
        *flows.entry((json!(from).to_string(), json!(after[user]).to_string())).or_default() += 1;
    }
    flows
}

fn reported_flows(report: &Value) -> BTreeMap<(String, String), u64> {
    let flow = |flow: &Value| ((flow["from"].to_string(), flow["to"].to_string()), flow["users"].as_u64().unwrap());
    report["flows"].as_array().unwrap().iter().map(flow).collect()
}

async fn rows(scene: &Scene) -> Vec<String> {
    let mut rows = Vec::new();
    for table in ["segmenter.profile_states", "segmenter.outbox", "segmenter.jobs", "public.user_vectors"] {
        let select = format!("select concat_ws(' ', ctid, xmin, xmax, t::text) from {table} t order by 1");
        let of_table: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(scene.database.pool()).await.unwrap();
        rows.extend(of_table);
    }
    rows
}

fn sum(list: &Value, member: &str) -> u64 {
    list.as_array().unwrap().iter().map(|one| one[member].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn a_simulation_writes_nothing_and_gives_the_flows_that_the_recompute_then_makes() {
    let scene = filled(120).await;
    let candidate = by_group();
    let (before, unwritten) = (primaries(&scene).await, rows(&scene).await);
    let arguments = ["catalog", "simulate", "--catalog", path(&candidate), "--json"];
    let simulated = run_in(&scene, None, &arguments).await;
    assert_eq!(simulated.code, Some(0), "{}", simulated.log);
    assert_eq!(rows(&scene).await, unwritten);
    let recomputed = run_in(&scene, Some(&candidate), &["recompute", "--execute", "--accept-shift", "--json"]).await;
    assert_eq!(recomputed.code, Some(0), "{}", recomputed.log);
    let after = primaries(&scene).await;

    let report = report(&simulated);
    assert_eq!(reported_flows(&report), flows(&before, &after));
    let moved: Vec<&String> = before.keys().filter(|user| before[*user] != after[*user]).collect();
    assert!(moved.len() > 10, "{report}");
    assert_eq!((&report["users"], &report["moved"]), (&json!(120), &json!(moved.len())));
    assert_eq!(
        (sum(&report["movedBy"], "users"), &report["movedBy"][0]["cause"]),
        (moved.len() as u64, &json!("group"))
    );
    assert_eq!(sum(&report["distribution"], "before"), 120);
    for share in report["distribution"].as_array().unwrap() {
        let of = |rows: &Primaries| rows.values().filter(|primary| json!(primary) == share["segment"]).count();
        assert_eq!((&share["before"], &share["after"]), (&json!(of(&before)), &json!(of(&after))));
    }
    let sure = |rows: &Primaries| rows.values().flatten().count() as u64;
    assert_eq!((sum(&report["margins"], "before"), sum(&report["margins"], "after")), (sure(&before), sure(&after)));
    let examples = report["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 20);
    assert_eq!(report["next"], "segmenter recompute --execute --accept-shift");
    let rows = table(scene.database.pool()).await;
    for example in examples {
        let user = example["user"].as_str().unwrap();
        assert_eq!((&example["from"], &example["to"]), (&json!(before[user]), &json!(after[user])));
        assert_eq!(example["toScore"].as_f64(), rows[user].confidence);
        let texts =
            example["toReasons"].as_array().unwrap().iter().map(|code| &report["reasons"][code.as_str().unwrap()]);
        assert_eq!(
            texts.collect::<Vec<_>>(),
            rows[user].segments[0]["reasons"].as_array().unwrap().iter().collect::<Vec<_>>()
        );
    }
    let published = scene.kafka.read_all(&scene.changes).await;
    let published = published.iter().filter(|record| record.json()["payload"]["trigger"] == "RECOMPUTE").count();
    assert_eq!(report["otherRanking"], published);
}

#[tokio::test]
async fn a_sample_has_the_same_users_at_every_run_and_a_larger_one_contains_them() {
    let scene = filled(300).await;
    let candidate = by_group();
    let simulate = async |sample: &str| {
        let arguments = ["catalog", "simulate", "--catalog", path(&candidate), "--sample", sample, "--json"];
        report(&run_in(&scene, None, &arguments).await)
    };
    let (tenth, again, half) = (simulate("10%").await, simulate("10%").await, simulate("50%").await);
    assert_eq!(tenth, again);
    assert_eq!(tenth["sample"], "10%");
    let users = |report: &Value| report["users"].as_u64().unwrap();
    assert!((10..60).contains(&users(&tenth)) && (100..200).contains(&users(&half)), "{tenth} {half}");
    let moved: Vec<&Value> = tenth["examples"].as_array().unwrap().iter().map(|example| &example["user"]).collect();
    let of_half: Vec<&Value> = half["examples"].as_array().unwrap().iter().map(|example| &example["user"]).collect();
    assert!(!moved.is_empty() && of_half.iter().take(moved.len()).eq(&moved), "{moved:?} {of_half:?}");
    let refused = run_in(&scene, None, &["catalog", "simulate", "--catalog", path(&candidate), "--sample", "0%"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[tokio::test]
async fn users_who_are_not_onboarded_are_counted_apart_and_so_are_unreadable_states() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann", "bob", "cy", "dan"]).await;
    let store = store_on(scene.database.pool()).await;
    let solo = || vec![group("SOLO")];
    let events = ["ann", "bob", "cy"].map(|name| onboarding(name, 5, solo()));
    apply(&store, &events).await;
    apply(&store, &[tombstone("bob", 9), update("dan", 5, solo())]).await;
    scene.database.run(r"update segmenter.profile_states set state = '\x00' where user_id = 'cy'").await;
    let same = catalog(&[]);
    let report = report(&run_in(&scene, None, &["catalog", "simulate", "--catalog", path(&same), "--json"]).await);
    let counts = ["users", "notOnboarded", "unreadable", "moved"].map(|member| report[member].as_u64().unwrap());
    assert_eq!((counts, &report["differences"]), ([1, 2, 1, 0], &json!([])), "{report}");
}

#[tokio::test]
async fn the_page_loads_nothing_runs_nothing_and_escapes_every_text() {
    let scene = filled(60).await;
    let hostile = r#"<script>alert("1")</script>&'"#;
    scene.database.add_users([hostile]).await;
    let store = store_on(scene.database.pool()).await;
    apply(&store, &[onboarding(hostile, 5, vec![group("SOLO")])]).await;
    let candidate = catalog(&[
        ("version = 1", "version = 2"),
        ("group = 0.20", "group = 1.0"),
        ("\"Travels alone\"", "\"<img src=x onerror=alert(1)> & alone\""),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let arguments = ["catalog", "simulate", "--catalog", path(&candidate), "--html", file.to_str().unwrap()];
    let simulated = run_in(&scene, None, &arguments).await;
    assert_eq!(simulated.code, Some(0), "{simulated:?}");
    assert!(simulated.stdout.contains("moved by"), "the tables are printed too: {}", simulated.stdout);
    let page = std::fs::read_to_string(&file).unwrap();
    for foreign in ["<script", "<img", "<link", "http://", "https://", "url(", "@import", " onerror", "src="] {
        let is_escaped = foreign == " onerror" || foreign == "src=";
        assert!(!page.contains(foreign) || (is_escaped && page.contains("&lt;img src=x onerror")), "{foreign}");
    }
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt; &amp; alone"), "a changed text is shown as text");
    assert!(page.contains("default-src 'none'") && page.contains("<svg"), "{page}");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600, "it has user ids");
    let arguments = ["catalog", "simulate", "--catalog", path(&candidate), "--html", "/does/not/exist.html"];
    assert_eq!(run_in(&scene, None, &arguments).await.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_the_progress() {
    let scene = filled(120).await;
    scene.database.run("analyze segmenter.profile_states").await;
    let candidate = by_group();
    let ran = on_a_terminal(&["catalog", "simulate", "--catalog", path(&candidate)], &scene.environment()).await;
    let shown = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{shown}");
    assert!(frames(&shown, "simulate").iter().any(|frame| frame.contains("120 of about 120")), "{shown}");
}
