//! `segmenter check-events`: reports the outcome of events before they are produced.

use std::time::Duration;

use serde_json::Value;

use crate::scene::{Numbers, onboarding_event, update_event};
use crate::support::segmenter_with_input;

const WITHIN: Duration = Duration::from_secs(30);

fn events() -> String {
    let mut numbers = Numbers(1);
    let mut foreign = onboarding_event("ann", 3, &mut numbers);
    foreign["eventType"] = "user.deleted".into();
    let mut broken = onboarding_event("ann", 4, &mut numbers);
    broken["payload"]["profile"]["preferences"]["budget"]["globalRange"]["min"] = (-77_123).into();
    [onboarding_event("ann", 1, &mut numbers), update_event("bob", 2, &mut numbers), foreign, broken]
        .map(|event| event.to_string())
        .join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_gets_its_outcome_without_profile_values() {
    let input = format!("{}\n\n{{\n", events());
    let finished = segmenter_with_input(&["check-events"], &[], &input).finish(WITHIN).await;
    assert_eq!(finished.code, Some(4), "{}", finished.log);
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert!(lines[0].starts_with("line 1: accepted: onboarding of ann at 2026-03-01T"), "{lines:#?}");
    assert!(lines[1].ends_with("carries activities demographics"), "{lines:#?}");
    assert_eq!(lines[2], "line 3: skipped: foreign_event_type");
    assert!(
        lines[3].starts_with("line 4: dead letter: bad_value: ") && lines[3].contains("globalRange.min"),
        "{lines:#?}"
    );
    assert!(lines[4].starts_with("line 6: dead letter: malformed: "), "{lines:#?}");
    assert_eq!(lines[5], "2 would be accepted, 1 skipped, 2 dead-lettered");
    let reasons: Vec<&str> = lines[7..].iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(reasons, ["malformed", "bad_value"], "{lines:#?}");
    assert!(lines[7].contains("segmenter check-events  correct the producer"), "{lines:#?}");
    assert!(!finished.stdout.contains("77123"), "{}", finished.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_every_line_is_one_object() {
    let finished = segmenter_with_input(&["check-events", "--json"], &[], &events()).finish(WITHIN).await;
    let mut outcomes: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = outcomes.pop().unwrap();
    assert_eq!(
        (&summary["summary"]["accepted"], &summary["summary"]["findings"][0]["check"]),
        (&2.into(), &"bad_value".into())
    );
    let names: Vec<&str> = outcomes.iter().map(|outcome| outcome["outcome"].as_str().unwrap()).collect();
    assert_eq!(names, ["accepted", "accepted", "skipped", "dead_letter"]);
}
