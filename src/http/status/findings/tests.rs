use super::*;
use crate::http::status::Board;
use crate::runtime::health::Health;
use crate::telemetry::metrics::Metrics;

const RUNBOOK: &str = include_str!("../../../../docs/runbook.md");

/// The snapshot of a process whose components report this.
async fn status(components: &[(&'static str, Option<&str>)]) -> Status {
    let health = Health::default();
    for (component, reason) in components {
        match reason {
            Some(reason) => health.set_not_ready(component, *reason),
            None => health.set_ready(component),
        }
    }
    Board::new(health, Metrics::new().unwrap(), Vec::new()).status().await
}

fn sections(found: &[Finding]) -> Vec<&'static str> {
    found.iter().map(|finding| finding.section).collect()
}

#[tokio::test]
async fn a_process_whose_components_are_ready_has_no_finding() {
    let status = status(&[("database", None), ("kafka", None)]).await;
    assert!(of(&status, Ago::default()).is_empty());
}

#[tokio::test]
async fn an_unavailable_database_is_one_finding_with_the_reason_of_every_component() {
    let components = [
        ("database", Some("does not answer: timed out")),
        ("database writes", Some("timed out")),
        ("kafka", None),
        ("positions", Some("not confirmed by the database: timed out")),
    ];
    let found = of(&status(&components).await, Ago::default());
    assert_eq!(sections(&found), ["it-is-not-ready"]);
    assert_eq!(found[0].reasons.len(), 3);
    assert!(found[0].impact.starts_with("Events are not applied"), "{found:?}");
}

#[tokio::test]
async fn the_most_urgent_finding_comes_first_and_old_dead_letters_are_none() {
    let mut status = status(&[("partitions", Some("not read: a[1] has no leader")), ("schema", None)]).await;
    status.outbox.rows = 3.0;
    status.outbox.oldest_seconds = OLD_OUTBOX + 1.0;
    status.dead_letters = vec![Count { name: "malformed".to_owned(), count: 7 }];
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    let ago = Ago { paused: minutes(2), dead_letter: minutes(3), rewind: minutes(4) };
    let expected = [
        "a-partition-is-not-read",
        "the-outbox-is-deep",
        "intake-is-paused",
        "dead-letters",
        "the-database-went-back-in-time",
    ];
    assert_eq!(sections(&of(&status, ago)), expected);
    let ago = Ago { paused: Some(Duration::from_secs(5)), dead_letter: minutes(16), rewind: minutes(16) };
    assert_eq!(sections(&of(&status, ago)), expected[..2]);
}

#[tokio::test]
async fn every_finding_has_a_section_of_the_runbook() {
    let components = [
        ("database", Some("x")),
        ("dead letters", Some("x")),
        ("kafka", Some("x")),
        ("partitions", Some("x")),
        ("positions", Some(positions::VANISHED)),
        ("schema", Some("missing")),
        ("schema registry", Some("x")),
        ("database writes", Some(STARTING)),
    ];
    let mut status = status(&components).await;
    status.health.live = false;
    status.lag.oldest_seconds = OLD_LAG + 1.0;
    status.outbox.rows = 1.0;
    status.outbox.oldest_seconds = OLD_OUTBOX + 1.0;
    let ago = Ago { paused: Some(USUAL_PAUSE), dead_letter: Some(USUAL_PAUSE), rewind: Some(USUAL_PAUSE) };
    let mut found = of(&status, ago);
    status.health.ready = true;
    status.process.uptime_seconds = USUAL_START + 1.0;
    found.extend(assignment(&status));
    status.dead_letters = vec![Count { name: "internal".to_owned(), count: 1 }];
    found.extend(dead_letters(&status.dead_letters, ago));
    let anchors: Vec<String> =
        RUNBOOK.lines().filter_map(|line| Some(line.strip_prefix("## ")?.to_lowercase().replace(' ', "-"))).collect();
    assert_eq!(found.len(), 16);
    for finding in found {
        assert!(anchors.iter().any(|anchor| anchor == finding.section), "{finding:?}");
    }
}

#[test]
fn the_page_and_the_alerts_have_the_same_thresholds() {
    let rules = include_str!("../../../../k8s/components/prometheus/prometheus-rule.yaml");
    for compared in [
        format!("(segmenter_outbox_oldest_age_seconds) > {OLD_OUTBOX}\n"),
        format!("(segmenter_consumer_lag_seconds) > {OLD_LAG}\n"),
        format!("increase(segmenter_dead_letters_total{{reason!=\"internal\"}}[{}m])", RECENTLY.as_secs() / 60),
        format!("increase(segmenter_position_rewinds_total[{}m])", RECENTLY.as_secs() / 60),
    ] {
        assert!(rules.contains(&compared), "no alert has {compared}");
    }
}
