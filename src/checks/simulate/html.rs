//! The report as one page: no script, nothing loaded, light and dark, printable. Every text is escaped.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::diagrams::{bar, flows, hue, margins};
use super::report::{Example, Flow, Report, Share};
use crate::runtime::human::{percent, whole};

/// No file is loaded and no script runs, whatever a segment or a user is named.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = include_str!("report.css");

/// A margin below this is a close call: the width of the first bin.
const CLOSE_CALL: &str = "0.02";

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let (before, after) = (report.present.version, report.candidate.version);
    let title = format!("Catalog {after} instead of {before}");
    let main = html! {
        header {
            h1 { (title) }
            p.facts {
                span { b { (whole(report.users as f64)) } " users scored" }
                span { "sample " b { (report.sample) } }
                @if report.not_onboarded > 0 { span { b { (whole(report.not_onboarded as f64)) } " not onboarded" } }
                @if report.unreadable > 0 { span { b { (whole(report.unreadable as f64)) } " unreadable" } }
            }
        }
        (tiles(report))
        (section("Changes of the catalog", "", &differences(report)))
        @if report.users > 0 {
            (section("Where users move", "The height is the number of users. Grey bands stay; coloured ones move, in the colour of the segment that they leave.", &wide("Flows", &flows(report))))
            div.columns {
                (section("Primary segments", "Percent of the users; before above, after below.", &distribution(report)))
                (section("Causes of the moves", "The dimension that adds most to the lead of the new segment over the old one, or another cause.", &causes(report)))
            }
            (section("How sure primary segments are", "Users by how much the score of their primary segment is above the second best. Far left is a close call: a small change of the profile or the catalog moves the user.", &wide("Margins", &margins(report))))
            (section("From and to", "Users by primary segment before (rows) and after (columns).", &wide("Matrix", &matrix(report))))
            @if !report.examples.is_empty() {
                (section("Examples", "Users who move, chosen by a hash of their id, so that they are the same at every run.", &examples(report)))
            }
        }
        footer {
            p { "Before: catalog version " (before) ", hash " code { (short(&report.present.hash)) } ". After: version " (after) ", hash " code { (short(&report.candidate.hash)) } "." }
            p { "This file has user ids, scores and reasons: personal data. Written by segmenter " (env!("SEGMENTER_VERSION")) "." }
        }
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (main) } }
        }
    };
    page.into_string()
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn section(title: &str, note: &str, content: &Markup) -> Markup {
    html! {
        section.card {
            h2 { (title) }
            @if !note.is_empty() { p.note { (note) } }
            (content)
        }
    }
}

/// Content that scrolls sideways on a narrow screen, also by keyboard.
fn wide(name: &str, content: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="group" aria-label=(name) { (content) } }
}

fn tiles(report: &Report) -> Markup {
    let close = report.margins.first();
    let (sure_before, sure_after) = report.sure();
    let close_before = share(close.map_or(0, |bin| bin.before), sure_before);
    let close_after = share(close.map_or(0, |bin| bin.after), sure_after);
    let none = report.distribution.iter().find(|share| share.segment.is_none());
    let (none_before, none_after) = none.map_or((0.0, 0.0), |none| (none.before_percent, none.after_percent));
    let tile = |label: &str, value: f64, note: String| {
        html! { div.tile { h2 { (label) } p.value { (percent(value)) } p.note { (note) } } }
    };
    html! {
        div.tiles {
            (tile("Users who move", report.moved_percent / 100.0, format!("{} to another primary segment", whole(report.moved as f64))))
            (tile("Other rankings", report.other_ranking_percent / 100.0, format!("{} changes that a recompute publishes", whole(report.other_ranking as f64))))
            (tile("Close calls after", close_after, format!("margin below {CLOSE_CALL}; before {}", percent(close_before))))
            (tile("Without a segment after", none_after / 100.0, format!("before {}", percent(none_before / 100.0))))
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn differences(report: &Report) -> Markup {
    html! {
        @if report.differences.is_empty() { p.none { "None: both catalogs score alike." } }
        @else {
            table.differences {
                @for difference in &report.differences {
                    tr { th scope="row" { (difference.part) } td { (difference.change) } }
                }
            }
        }
    }
}

/// The name of a primary segment, in its colour.
fn name(segment: Option<&str>, report: &Report) -> Markup {
    html! { span.name { span class=(format!("dot {}", hue(segment, report))) {} (segment.unwrap_or("none")) } }
}

fn distribution(report: &Report) -> Markup {
    let most = report.distribution.iter().map(|share| share.before.max(share.after)).max().unwrap_or(0);
    let row = |share: &Share| {
        let change = share.after_percent - share.before_percent;
        let segment = share.segment.as_deref();
        html! {
            tr {
                th scope="row" { (name(segment, report)) }
                td.number { (percent(share.before_percent / 100.0)) }
                td.number { (percent(share.after_percent / 100.0)) }
                td.number.change { @if change.abs() >= 0.05 { (format!("{change:+.1}").replace('-', "−")) } @else { "0" } }
                td.bars { (bar(share.before, most, "before")) (bar(share.after, most, hue(segment, report))) }
            }
        }
    };
    html! {
        table {
            thead { tr { th { "Segment" } th.number { "before" } th.number { "after" } th.number { "points" } td.bars {} } }
            tbody { @for share in &report.distribution { (row(share)) } }
        }
    }
}

fn causes(report: &Report) -> Markup {
    let most = report.moved_by.first().map_or(0, |cause| cause.users);
    html! {
        @if report.moved_by.is_empty() { p.none { "No user moves." } }
        @else {
            table {
                thead { tr { th { "Cause" } th.number { "users" } th.number { "of the moves" } td.bars {} } }
                tbody {
                    @for cause in &report.moved_by {
                        tr {
                            th scope="row" { (words(cause.cause)) }
                            td.number { (whole(cause.users as f64)) }
                            td.number { (percent(cause.percent / 100.0)) }
                            td.bars { (bar(cause.users, most, "accent")) }
                        }
                    }
                }
            }
        }
    }
}

/// `businessMix` as `business mix`.
fn words(name: &str) -> String {
    let word =
        |one: char| if one.is_ascii_uppercase() { format!(" {}", one.to_ascii_lowercase()) } else { one.to_string() };
    name.chars().map(word).collect()
}

fn matrix(report: &Report) -> Markup {
    let segments: Vec<Option<&str>> = report.distribution.iter().map(|share| share.segment.as_deref()).collect();
    let most = report.flows.iter().filter(|flow| flow.moves()).map(|flow| flow.users).max().unwrap_or(0);
    let cell = |from: Option<&str>, to: Option<&str>| {
        let is_it = |flow: &&Flow| flow.from.as_deref() == from && flow.to.as_deref() == to;
        let users = report.flows.iter().find(is_it).map_or(0, |flow| flow.users);
        // Five shades, by the share of the greatest flow.
        let shade = if from == to { "stay".to_owned() } else { format!("heat{}", (share(users, most) * 5.0).ceil()) };
        html! { td class=(format!("number {shade}")) { @if users > 0 { (whole(users as f64)) } @else { span.zero { "·" } } } }
    };
    html! {
        table.matrix {
            thead { tr { td {} @for to in &segments { th scope="col" { span { (to.unwrap_or("none")) } } } } }
            tbody {
                @for from in &segments {
                    tr { th scope="row" { (name(*from, report)) } @for to in &segments { (cell(*from, *to)) } }
                }
            }
        }
    }
}

fn examples(report: &Report) -> Markup {
    let ranked = |segment: Option<&str>, score: Option<f64>, reasons: &[&'static str]| {
        html! {
            td {
                p.ranked { (name(segment, report)) @if let Some(score) = score { span.score { (format!("{score:.3}")) } } }
                @for code in reasons { p.reason { (report.reasons.get(code).map_or(*code, |text| text)) } }
            }
        }
    };
    let row = |example: &Example| {
        html! {
            tr {
                th scope="row" { code { (example.user) } }
                (ranked(example.from.as_deref(), example.from_score, &example.from_reasons))
                (ranked(example.to.as_deref(), example.to_score, &example.to_reasons))
                td { (words(example.moved_by)) }
            }
        }
    };
    html! {
        table.examples {
            thead { tr { th { "User" } th { "Before" } th { "After" } th { "Cause" } } }
            tbody { @for example in &report.examples { (row(example)) } }
        }
    }
}
