//! The overview: findings, throughput, lag, outbox and dead letters, partitions, jobs.

use maud::{Markup, html};

use super::{brand, findings, frame, jobs, partitions, tables};
use crate::http::status::Status;
use crate::runtime::human::{bytes, duration, rate, whole};

/// The whole page.
pub(super) fn page(status: &Status, has_user_page: bool) -> Markup {
    let is_well = status.health.ready && status.health.live;
    let title = if is_well { "segmenter" } else { "segmenter: not ready" };
    frame(title, &header(status), &main(status, has_user_page), true)
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
    html! {
        h1.hidden { "Status of this process" }
        (findings::section(status))
        (tiles(status))
        (jobs::open(status))
        (partitions::table(status))
        div.columns #tables-part {
            div {
                (tables::outcomes(status))
                (tables::dead_letters(status))
                (tables::skipped(status))
                (tables::resources(status))
            }
            div {
                (tables::segments(status))
                (tables::changes(status))
                (jobs::ended(status))
            }
        }
        @if has_user_page { (super::user::form("")) }
        (tables::config(status))
    }
}

/// A number with its label and a note.
struct Tile<'t> {
    id: &'t str,
    label: &'t str,
    value: String,
    unit: &'t str,
    note: String,
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
        },
        Tile {
            id: "tile-oldest",
            label: "Oldest unprocessed",
            value: if lag.oldest_seconds > 0.0 { duration(lag.oldest_seconds) } else { "none".to_owned() },
            unit: "",
            note: format!("{} records in flight, {}", whole(intake.records), bytes(intake.bytes)),
        },
        Tile {
            id: "tile-intake",
            label: "Intake",
            value: if intake.paused { "paused".to_owned() } else { "open".to_owned() },
            unit: "",
            note: format!("{} rejections held back", whole(intake.held)),
        },
        Tile {
            id: "tile-outbox",
            label: "Outbox",
            value: whole(outbox.rows),
            unit: "rows",
            note: match outbox.oldest_seconds {
                age if outbox.rows > 0.0 => format!("the oldest for {}", duration(age)),
                _ => "all changes are published".to_owned(),
            },
        },
        Tile {
            id: "tile-dead",
            label: "Dead letters",
            value: whole(dead as f64),
            unit: "",
            note: "since the start".to_owned(),
        },
    ];
    html! {
        section.tiles #tiles-part aria-label="At a glance" {
            (throughput(status))
            @for tile in &tiles {
                div.tile #(tile.id) {
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
        div.tile.wide #tile-throughput {
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
