//! The tables of the overview.

use maud::{Markup, html};

use crate::http::status::{Count, SampledDistribution, Status};
use crate::runtime::human::{bytes, percent, rate, whole, words};

/// A table with a heading. `columns` are headings, with true for columns of numbers.
pub(super) struct Table<'t> {
    pub id: &'t str,
    pub title: &'t str,
    pub note: &'t str,
    pub columns: &'t [(&'t str, bool)],
    /// The text in the place of an empty body.
    pub empty: &'t str,
    pub rows: Vec<Markup>,
}

impl Table<'_> {
    pub fn html(&self) -> Markup {
        html! {
            section.card #(format!("{}-part", self.id)) aria-labelledby=(self.id) {
                h2 #(self.id) { (self.title) @if !self.note.is_empty() { " " small { (self.note) } } }
                table #(format!("{}-rows", self.id)) {
                    caption.hidden { (self.title) }
                    // An empty table has no head.
                    @if !self.rows.is_empty() { thead {
                        tr {
                            @for (name, is_number) in self.columns {
                                @if name.is_empty() { td {} } @else { th.number[*is_number] scope="col" { (name) } }
                            }
                        }
                    } }
                    tbody {
                        @for row in &self.rows { (row) }
                        @if self.rows.is_empty() { tr { td.none colspan=(self.columns.len()) { (self.empty) } } }
                    }
                }
            }
        }
    }
}

/// A bar for a share of 1. The number stands beside it.
pub(super) fn bar(share: f64) -> Markup {
    let width = format!("{:.1}", share.clamp(0.0, 1.0) * 100.0);
    html! {
        svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="100" height="6" {}
            rect.fill width=(width) height="6" {}
        }
    }
}

pub(super) fn outcomes(status: &Status) -> Markup {
    counts("outcomes", "Records by outcome", "Outcome", "No records have been read yet.", &status.throughput.outcomes)
}

pub(super) fn dead_letters(status: &Status) -> Markup {
    counts(
        "dead-letters",
        "Dead letters by reason",
        "Reason",
        "None. Every record could be applied.",
        &status.dead_letters,
    )
}

pub(super) fn skipped(status: &Status) -> Markup {
    counts("skipped", "Skipped by reason", "Reason", "None.", &status.skipped)
}

fn counts(id: &str, title: &str, of: &str, empty: &str, counts: &[Count]) -> Markup {
    let all: u64 = counts.iter().map(|count| count.count).sum();
    let rows = counts.iter().map(|count| {
        let share = count.count as f64 / all as f64;
        html! {
            tr {
                th scope="row" { (words(&count.name)) }
                td.number { (whole(count.count as f64)) }
                td.number { (percent(share)) }
                td.bars { (bar(share)) }
            }
        }
    });
    Table {
        id,
        title,
        note: "since the start",
        columns: &[(of, false), ("Records", true), ("Share", true), ("", false)],
        empty,
        rows: rows.collect(),
    }
    .html()
}

/// How many changes are listed.
const MOST_CHANGES: usize = 12;

pub(super) fn changes(status: &Status) -> Markup {
    let rows = status.changes.iter().take(MOST_CHANGES).map(|change| {
        html! {
            tr {
                th scope="row" { (segment(&change.from)) }
                td { @if change.to == change.from { span.muted { "the same" } } @else { (segment(&change.to)) } }
                td.number { (whole(change.count as f64)) }
            }
        }
    });
    Table {
        id: "changes",
        title: "Changes by primary segment",
        note: "the most frequent, since the start",
        columns: &[("From", false), ("To", false), ("Changes", true)],
        empty: "No user has changed segments yet.",
        rows: rows.collect(),
    }
    .html()
}

/// An RFC 3339 time in UTC, for people: without its milliseconds.
pub(super) fn time(text: &str) -> Markup {
    let shown = text.split_once('T').map(|(day, rest)| format!("{day}\u{a0}{}", rest.get(..8).unwrap_or(rest)));
    html! { time datetime=(text) { (shown.as_deref().unwrap_or(text)) } }
}

/// A segment's name; `none` and `erased` are words of the metrics.
pub(super) fn segment(name: &str) -> Markup {
    html! { @if name.chars().any(char::is_lowercase) { span.muted { (name) } } @else { (breakable(name)) } }
}

/// A name that may break after its separators.
pub(super) fn breakable(name: &str) -> Markup {
    html! { @for part in name.split_inclusive(['_', '.', '-']) { (part) wbr; } }
}

pub(super) fn segments(status: &Status) -> Markup {
    let sampled = status.segments.as_ref();
    let users = sampled.map_or(0, |sampled| sampled.distribution.users);
    let shares = sampled.iter().flat_map(|sampled| &sampled.distribution.shares);
    let rows = shares.map(|share| {
        let part = share.users as f64 / users.max(1) as f64;
        let confidence = share.average_confidence.map_or_else(|| "–".to_owned(), |confidence| format!("{confidence:.2}"));
        html! {
            tr {
                th scope="row" {
                    @match &share.primary_segment { Some(name) => { (segment(name)) } None => { span.muted { "none qualified" } } }
                }
                td.number { (whole(share.users as f64)) }
                td.number { (percent(part)) }
                td.number { (confidence) }
                td.bars { (bar(part)) }
            }
        }
    });
    Table {
        id: "segments",
        title: "Users by primary segment",
        note: &sampled.map_or_else(String::new, sample),
        columns: &[("Segment", false), ("Users", true), ("Share", true), ("Confidence", true), ("", false)],
        empty: if sampled.is_some() { "No user has segments yet." } else { "Not read yet." },
        rows: rows.collect(),
    }
    .html()
}

/// How much of the table was read, and when.
fn sample(sampled: &SampledDistribution) -> String {
    let SampledDistribution { seconds_ago, distribution } = sampled;
    match distribution.sampled {
        part if part < 1.0 => format!("estimated from {} of the rows, {seconds_ago} s ago", percent(part)),
        _ => format!("counted {seconds_ago} s ago"),
    }
}

pub(super) fn resources(status: &Status) -> Markup {
    let process = &status.process;
    let busy = process.cpu_seconds / process.uptime_seconds.max(1.0);
    let facts = [
        ("Memory", bytes(process.resident_bytes)),
        ("CPU, on average", format!("{} of a core", percent(busy))),
        (
            "Published on segment-changed",
            format!(
                "{}, {} a second",
                whole(status.throughput.published as f64),
                rate(status.throughput.published_per_second)
            ),
        ),
    ];
    let rows = facts.into_iter().map(|(name, value)| html! { tr { th scope="row" { (name) } td.number { (value) } } });
    Table {
        id: "resources",
        title: "This process",
        note: "",
        columns: &[("Figure", false), ("Value", true)],
        empty: "",
        rows: rows.collect(),
    }
    .html()
}

pub(super) fn config(status: &Status) -> Markup {
    html! {
        @if !status.config.is_empty() {
            section.card #config-part aria-labelledby="config" {
                details {
                    summary { h2 #config { "Configuration " small { (status.config.len()) " settings, secrets masked" } } }
                    div {
                        table.stack {
                            caption.hidden { "Configuration" }
                            thead { tr { th scope="col" { "Setting" } th scope="col" { "Value" } th scope="col" { "From" } } }
                            tbody {
                                @for setting in &status.config {
                                    tr data-chosen[setting.is_chosen()] {
                                        th scope="row" { (setting.key) }
                                        td { code { (setting.value.as_deref().unwrap_or("–")) } }
                                        td.muted { (setting.origin) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
