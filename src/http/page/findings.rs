//! The head of the overview: in one sentence whether something is wrong, then each finding with impact, action and the section of
//! the runbook.

use maud::{Markup, html};

use super::command;
use crate::http::status::{Finding, Severity, Status};

/// Its summary is a live region: a screen reader reads its changes.
pub(super) fn section(status: &Status) -> Markup {
    let (state, sentence) = summary(status);
    html! {
        section.findings #findings-part aria-labelledby="health" {
            div.summary role="status" {
                h2.state #health data-state=(state) { (mark(state)) strong { (sentence) } }
            }
            @if status.findings.is_empty() {
                p.muted { @for (place, part) in status.health.components.iter().enumerate() { @if place > 0 { " · " } (part.component) } }
            } @else {
                ol { @for finding in &status.findings { (item(finding)) } }
            }
        }
    }
}

fn summary(status: &Status) -> (&'static str, String) {
    let count = match status.findings.len() {
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    match (status.health.live, status.health.ready, status.findings.first()) {
        (false, ..) => ("bad", format!("Stalled: {count}")),
        (true, false, None) => ("warn", "Not ready".to_owned()),
        (true, false, Some(_)) => ("bad", format!("Not ready: {count}")),
        (true, true, None) => ("good", "Ready. Nothing is wrong.".to_owned()),
        (true, true, Some(first)) => (state(first.severity), format!("Ready, with {count}")),
    }
}

fn state(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "bad",
        Severity::Warning => "warn",
    }
}

fn item(finding: &Finding) -> Markup {
    html! {
        li data-state=(state(finding.severity)) {
            p { span.hidden { @match finding.severity { Severity::Critical => "Critical: ", Severity::Warning => "Warning: " } } strong { (finding.impact) } }
            p { (finding.action) }
            @if !finding.reasons.is_empty() { ul { @for reason in &finding.reasons { li { (reason) } } } }
            p.next {
                @if let Some(text) = &finding.command { (command(text)) }
                a href=(format!("runbook#{}", finding.section)) { "Runbook: " (title(finding.section)) }
            }
        }
    }
}

/// The heading of a section of the runbook, by its anchor.
fn title(section: &str) -> String {
    let words = section.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A shape besides the colour.
pub(super) fn mark(state: &str) -> Markup {
    html! {
        svg.sign viewBox="0 0 16 16" width="18" height="18" aria-hidden="true" {
            @match state {
                "good" => {
                    circle cx="8" cy="8" r="8" {}
                    path d="M4.5 8.2l2.4 2.4 4.6-4.9" {}
                }
                "warn" => {
                    path.body d="M8 0.8L16 15H0z" {}
                    path d="M8 6v4.2M8 12.4v.4" {}
                }
                _ => {
                    rect width="16" height="16" rx="3" {}
                    path d="M4.8 4.8l6.4 6.4M11.2 4.8l-6.4 6.4" {}
                }
            }
        }
    }
}
