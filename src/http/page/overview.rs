//! The overview: health, throughput, lag and outbox, dead letters.

use maud::{Markup, html};

use super::{brand, frame, tables};
use crate::http::status::Status;
use crate::runtime::health::HealthReport;
use crate::runtime::human::{bytes, duration, rate, whole};

/// The whole page.
pub(super) fn page(status: &Status, has_user_page: bool) -> Markup {
    let title = if is_well(&status.health) { "segmenter" } else { "segmenter: not ready" };
    frame(title, &header(status), &main(status, has_user_page), true)
}

fn is_well(health: &HealthReport) -> bool {
    health.ready && health.live
}

fn header(status: &Status) -> Markup {
    let process = &status.process;
    html! {
        (brand())
        p.facts {
            span { "Version " b { (process.version) } }
            span { "on " b { (process.host) } }
            span { "up " b #uptime data-live { (duration(process.uptime_seconds)) } }
            @if let Some(catalog) = &status.catalog {
                span title=(format!("Hash {}", catalog.hash)) { "catalog " b { (catalog.version) } }
            }
        }
        // The script shows here whether it updates the numbers; without it they are those of the moment of loading.
        p.live #live {}
    }
}

fn main(status: &Status, has_user_page: bool) -> Markup {
    let has_open_job = status.jobs.iter().flatten().any(|job| job.ended_at.is_none());
    html! {
        h1.hidden { "Status of this process" }
        (health(&status.health))
        (tiles(status))
        // Open jobs come first, ended ones last.
        @if has_open_job { (tables::jobs(status)) }
        div.columns {
            div {
                (tables::lag(status))
                (tables::outcomes(status))
                (tables::dead_letters(status))
                (tables::skipped(status))
                (tables::resources(status))
            }
            div {
                (tables::segments(status))
                (tables::changes(status))
            }
        }
        @if !has_open_job { (tables::jobs(status)) }
        @if has_user_page { (super::user::form("")) }
        (tables::config(status))
    }
}

/// One sentence, and the reasons where it is not ready. A live region: a screen reader reads its changes.
fn health(report: &HealthReport) -> Markup {
    let reasons = report.components.iter().filter_map(|part| Some((part.component, part.reason.as_ref()?)));
    let (state, sentence) = match (report.live, report.ready) {
        (false, _) => ("bad", "Stalled: a loop makes no progress"),
        (true, false) => ("warn", "Not ready"),
        (true, true) => ("good", "Ready"),
    };
    html! {
        section.health aria-label="Health" {
            div #health data-live role="status" {
                p.state data-state=(state) {
                    (mark(state))
                    strong { (sentence) }
                    @if state == "good" {
                        span.muted { @for (place, part) in report.components.iter().enumerate() { @if place > 0 { " · " } (part.component) } }
                    }
                }
                @if state != "good" {
                    ul.reasons {
                        @for (component, reason) in reasons { li { b { (component) } ": " (reason) } }
                    }
                }
            }
        }
    }
}

/// A shape besides the colour.
fn mark(state: &str) -> Markup {
    html! {
        svg.sign viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
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

/// A number with its label and a note.
struct Tile<'t> {
    id: &'t str,
    label: &'t str,
    value: String,
    unit: &'t str,
    note: String,
    /// `warn` where it needs attention, else empty.
    state: &'static str,
}

fn tiles(status: &Status) -> Markup {
    let (lag, outbox, intake) = (&status.lag, &status.outbox, &status.intake);
    let dead: u64 = status.dead_letters.iter().map(|count| count.count).sum();
    let tiles = [
        Tile {
            id: "tile-lag",
            label: "Lag",
            value: whole(lag.records),
            unit: "records",
            note: match lag.assigned_partitions {
                0.0 => "no partitions assigned".to_owned(),
                partitions => format!("in {} partitions", whole(partitions)),
            },
            state: if lag.assigned_partitions == 0.0 { "warn" } else { "" },
        },
        Tile {
            id: "tile-oldest",
            label: "Oldest unprocessed",
            value: if lag.oldest_seconds > 0.0 { duration(lag.oldest_seconds) } else { "none".to_owned() },
            unit: "",
            note: format!("{} records in flight, {}", whole(intake.records), bytes(intake.bytes)),
            state: "",
        },
        Tile {
            id: "tile-intake",
            label: "Intake",
            value: if intake.paused { "paused".to_owned() } else { "open".to_owned() },
            unit: "",
            note: format!("{} rejections held back", whole(intake.held)),
            state: if intake.paused { "warn" } else { "" },
        },
        Tile {
            id: "tile-outbox",
            label: "Outbox",
            value: whole(outbox.rows),
            unit: "batches to publish",
            note: match outbox.oldest_seconds {
                age if outbox.rows > 0.0 => format!("the oldest for {}", duration(age)),
                _ => "all changes are published".to_owned(),
            },
            state: "",
        },
        Tile {
            id: "tile-dead",
            label: "Dead letters",
            value: whole(dead as f64),
            unit: "",
            note: "since the start".to_owned(),
            state: if dead > 0 { "warn" } else { "" },
        },
    ];
    html! {
        section.tiles aria-label="At a glance" {
            (throughput(status))
            @for tile in &tiles {
                div.tile #(tile.id) data-live data-state=(tile.state) {
                    h2 { (tile.label) }
                    p.value { (tile.value) @if !tile.unit.is_empty() { " " small { (tile.unit) } } }
                    p.note { (tile.note) }
                }
            }
        }
    }
}

fn throughput(status: &Status) -> Markup {
    let throughput = &status.throughput;
    let most = throughput.history.iter().copied().fold(throughput.records_per_second, f64::max);
    html! {
        div.tile.wide #tile-throughput data-live data-state="" {
            h2 { "Throughput" }
            p.value { (rate(throughput.records_per_second)) " " small { "records/s" } }
            p.note {
                @if most > 0.0 { "at most " (rate(most)) "/s in five minutes" } @else { "no records in five minutes" }
            }
            (sparkline(&throughput.history, most))
        }
    }
}

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 44.0;
/// How many stretches the line is wide, so that it grows from the right.
const PLACES: f64 = 59.0;

fn sparkline(history: &[f64], most: f64) -> Markup {
    let x = |age: usize| WIDTH - age as f64 / PLACES * WIDTH;
    let y = |rate: f64| if most > 0.0 { HEIGHT - 1.0 - rate / most * (HEIGHT - 3.0) } else { HEIGHT - 1.0 };
    let points: Vec<String> =
        history.iter().rev().enumerate().map(|(age, rate)| format!("{:.1},{:.1}", x(age), y(*rate))).collect();
    let line = points.join(" ");
    let oldest = x(history.len().saturating_sub(1));
    html! {
        svg.spark viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" aria-hidden="true" {
            @if points.len() > 1 {
                polygon points=(format!("{WIDTH},{HEIGHT} {line} {oldest:.1},{HEIGHT}")) {}
                polyline points=(line) {}
            }
        }
    }
}
