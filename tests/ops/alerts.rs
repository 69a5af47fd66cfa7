//! The alerts: their metrics and labels exist, each fires and stays silent when it should, and the runbook has a section for each.

use std::collections::BTreeSet;
use std::fs;

use segmenter::store::error::ErrorClass;
use segmenter::telemetry::metrics::Metrics;
use serde_json::Value;

use super::tools::{documents, list, named, printed, promtool, read, resources, text};

/// Metrics of kube-state-metrics.
const FOREIGN: [&str; 8] = [
    "kube_pod_container_info",
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_status_last_terminated_exitcode",
    "kube_pod_status_ready",
    "kube_job_status_failed",
    "kube_job_status_succeeded",
    "kube_cronjob_status_last_schedule_time",
    "kube_cronjob_status_last_successful_time",
];

/// The suffixes of a histogram's series.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Asserts that every metric in an expression is in docs/metrics.md or one of Kubernetes.
pub fn assert_metrics_exist(expression: &str, of: &str) {
    let known = read("docs/metrics.md");
    let words = expression.split(|char: char| !char.is_ascii_alphanumeric() && char != '_' && char != ':');
    for word in words.filter(|word| word.starts_with("segmenter_") || word.starts_with("kube_")) {
        let whole = PARTS.iter().find_map(|part| word.strip_suffix(part)).unwrap_or(word);
        let exists = |name: &str| known.contains(&format!("| `{name}` |"));
        assert!(FOREIGN.contains(&word) || exists(word) || exists(whole), "{of} names {word}, which is not a metric");
    }
}

/// The runbook in the tree; the rules name it by its address.
const RUNBOOK: &str = "docs/runbook.md";

/// The runbook's address, which stands once in the rules.
fn runbook_url(rule: &Value) -> String {
    let url = text(rule, "/metadata/annotations/runbook");
    assert!(url.starts_with("https://") && url.ends_with(RUNBOOK), "{url}");
    url.to_owned()
}

fn rule() -> Value {
    named(resources("prod"), "PrometheusRule", "segmenter").clone()
}

/// Alerts and recorded series.
fn rules(rule: &Value) -> Vec<Value> {
    list(rule, "/spec/groups").iter().flat_map(|group| list(group, "/rules")).cloned().collect()
}

fn alerts(rule: &Value) -> Vec<Value> {
    rules(rule).into_iter().filter(|one| one["record"].is_null()).collect()
}

#[test]
fn prometheus_accepts_the_rules_and_each_alert_fires_and_stays_silent_in_its_cases() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules.yaml");
    fs::write(&rules, rule()["spec"].to_string()).unwrap();
    printed(&mut promtool(&["check", "rules", "--lint=all", "--lint-fatal", rules.to_str().unwrap()]), "");
    let cases = directory.path().join("alerts.test.yaml");
    fs::write(&cases, read("tests/ops/alerts.test.yaml").replace(RUNBOOK, &runbook_url(&rule()))).unwrap();
    printed(&mut promtool(&["test", "rules", cases.to_str().unwrap()]), "");
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_stays_silent() {
    let cases = documents(&read("tests/ops/alerts.test.yaml")).remove(0);
    let (mut firing, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for case in list(&cases, "/tests").iter().flat_map(|test| list(test, "/alert_rule_test")) {
        let fires = !list(case, "/exp_alerts").is_empty();
        (if fires { &mut firing } else { &mut silent }).insert(text(case, "/alertname"));
    }
    let rule = rule();
    let alerts = alerts(&rule);
    let names: BTreeSet<&str> = alerts.iter().map(|alert| text(alert, "/alert")).collect();
    assert_eq!(names.len(), alerts.len(), "an alert is defined twice");
    assert_eq!((&firing, &silent), (&names, &names));
}

#[test]
fn every_metric_in_a_rule_exists() {
    let rules = rules(&rule());
    let recorded: BTreeSet<&str> = rules.iter().map(|one| text(one, "/record")).collect();
    assert!(rules.len() > 10 && recorded.len() > 5);
    for one in &rules {
        let (expression, of) = (text(one, "/expr"), format!("{}{}", text(one, "/alert"), text(one, "/record")));
        assert_metrics_exist(expression, &of);
        let words = expression.split(|char: char| !char.is_ascii_alphanumeric() && char != '_' && char != ':');
        for word in words.filter(|word| word.contains(':')) {
            assert!(recorded.contains(word), "{of} names {word}, which is not recorded");
        }
    }
}

#[test]
fn a_bound_of_the_histogram_is_the_bound_of_the_objective() {
    let text = Metrics::new().unwrap().encode().unwrap();
    assert!(text.contains("segmenter_publish_delay_seconds_bucket{le=\"5\"} 0"), "{text}");
}

/// The labels by which an expression groups, joins or selects.
fn labels(expression: &str) -> BTreeSet<&str> {
    let after = |start: &str| -> Vec<&str> {
        expression.split(start).skip(1).filter_map(|rest| rest.split([')', '}']).next()).collect()
    };
    let grouped = ["by (", "on (", "group_left ("].map(after).concat();
    let grouped = grouped.into_iter().flat_map(|names| names.split(','));
    let selected =
        after("{").into_iter().flat_map(|pairs| pairs.split(',')).filter_map(|pair| pair.split(['=', '!']).next());
    grouped.chain(selected).map(str::trim).filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_label_in_a_rule_belongs_to_its_metric_or_to_kubernetes() {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `segmenter_"));
    let ours = rows.filter_map(|row| row.split('|').nth(3)).flat_map(|labels| labels.split(',')).map(str::trim);
    let known: BTreeSet<&str> = ours
        .chain(["namespace", "job", "pod", "container", "condition", "job_name", "cronjob", "le"])
        .filter(|name| !name.is_empty())
        .collect();
    for one in rules(&rule()) {
        let asked = labels(text(&one, "/expr"));
        assert!(asked.is_subset(&known), "{one}: {asked:?}");
    }
    assert!(labels("sum by (a, b) (x{c=~\"d\"} * on (e) y)").into_iter().eq(["a", "b", "c", "e"]));
}

#[test]
fn every_class_of_database_errors_that_raises_an_alert_exists() {
    let rule = rule();
    let alerts = alerts(&rule);
    let errors = alerts.iter().find(|alert| text(alert, "/alert") == "SegmenterDatabaseErrors").unwrap();
    let classes = text(errors, "/expr").split("class=~\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    for class in classes.split('|') {
        assert!(ErrorClass::ALL.iter().any(|known| known.as_str() == class), "{class}");
    }
}

#[test]
fn every_alert_has_a_severity_and_links_to_a_section_of_the_runbook_that_names_it() {
    let runbook = read("docs/runbook.md");
    let sections: Vec<&str> = runbook.split("\n## ").skip(1).collect();
    let rule = rule();
    let url = runbook_url(&rule) + "#";
    for alert in alerts(&rule) {
        let name = text(&alert, "/alert");
        assert!(["critical", "warning"].contains(&text(&alert, "/labels/severity")), "{name}");
        assert!(!text(&alert, "/annotations/summary").is_empty(), "{name}");
        let section = text(&alert, "/annotations/runbook_url").strip_prefix(&url).unwrap();
        let slug = |section: &str| section.lines().next().unwrap().to_lowercase().replace(' ', "-");
        let found = sections.iter().find(|one| slug(one) == section);
        let found = found.unwrap_or_else(|| panic!("{name}: the runbook has no section {section}"));
        assert!(found.contains(&format!("`{name}`")), "{name}: the section {section} does not name it");
    }
}
