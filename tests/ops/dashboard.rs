//! The dashboard's metrics exist, and every panel has a title and a description.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::alerts::assert_metrics_exist;
use super::tools::{list, printed, promtool, read, text};

const FILE: &str = "k8s/base/dashboards/segmenter.json";

fn dashboard() -> Value {
    serde_json::from_str(&read(FILE)).unwrap()
}

/// The panels without the rows that group them.
fn panels(dashboard: &Value) -> Vec<&Value> {
    list(dashboard, "/panels").iter().filter(|panel| panel["type"] != "row").collect()
}

#[test]
fn every_metric_on_the_dashboard_exists() {
    let dashboard = dashboard();
    let mut expressions = 0;
    for panel in panels(&dashboard) {
        for target in list(panel, "/targets") {
            assert_metrics_exist(text(target, "/expr"), &format!("the panel {}", panel["title"]));
            expressions += 1;
        }
    }
    assert!(expressions > 15, "the expressions are found");
    assert_metrics_exist(&dashboard["templating"].to_string(), "the variables");
}

#[test]
fn prometheus_parses_every_expression_of_the_dashboard() {
    let dashboard = dashboard();
    let targets = panels(&dashboard).into_iter().flat_map(|panel| list(panel, "/targets"));
    let rules: Vec<Value> = targets
        .enumerate()
        .map(|(number, target)| {
            let expression = ["$__rate_interval", "$__range"]
                .iter()
                .fold(text(target, "/expr").replace("$namespace", ".*"), |text, variable| text.replace(variable, "1m"));
            json!({"record": format!("panel:{number}"), "expr": expression})
        })
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.yaml");
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    printed(&mut promtool(&["check", "rules", file.to_str().unwrap()]), "");
}

#[test]
fn every_panel_has_an_id_a_title_a_description_and_a_place_of_its_own() {
    let dashboard = dashboard();
    let mut numbers = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in list(&dashboard, "/panels") {
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "the id {} occurs twice", panel["id"]);
        assert!(!text(panel, "/title").is_empty());
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(x < 24 && taken.insert((x, y)), "{} overlaps another", panel["title"]);
        }
    }
    for panel in panels(&dashboard) {
        assert!(!text(panel, "/description").is_empty(), "{} has no description", panel["title"]);
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{} is bound to one data source", panel["title"]);
        for target in list(panel, "/targets") {
            assert!(
                text(target, "/expr").contains("namespace=~\"$namespace\""),
                "{} mixes deployments",
                panel["title"]
            );
        }
    }
}

#[test]
fn compose_provisions_the_same_file() {
    let compose = read("docker-compose.yml");
    assert!(compose.contains("./k8s/base/dashboards:/var/lib/grafana/dashboards:ro"));
    assert!(read("k8s/base/kustomization.yaml").contains("dashboards/segmenter.json"));
}
