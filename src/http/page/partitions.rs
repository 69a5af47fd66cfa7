//! The partitions of the process: lag, position in the database, committed offset, end, history, last rewind.

use maud::{Markup, html};

use super::tables::{breakable, time};
use crate::http::status::{PartitionStatus, Status};
use crate::runtime::human::{duration, whole};

/// The age, in seconds, from which a position is shown as old: it is confirmed once a second.
const OLD: f64 = 10.0;

const COLUMNS: [(&str, bool); 8] = [
    ("Partition", false),
    ("Lag", true),
    ("Oldest", true),
    ("Position", true),
    ("Committed", true),
    ("End", true),
    ("History", false),
    ("Last rewind", false),
];

pub(super) fn table(status: &Status) -> Markup {
    let partitions = &status.partitions;
    html! {
        section.card #partitions-part aria-labelledby="partitions" {
            h2 #partitions { "Partitions " small { "of this process" } }
            @if partitions.is_empty() {
                p.none { "No partitions are assigned to this process." }
            } @else {
                // The roles stay where a small screen changes the layout.
                table.wide #partitions-rows role="table" {
                    caption.hidden { "Lag, position in the database, committed offset and end of each partition" }
                    thead { tr { @for (name, is_number) in COLUMNS { th.number[is_number] scope="col" { (name) } } } }
                    @for of_topic in partitions.chunk_by(|one, other| one.topic == other.topic) {
                        tbody role="rowgroup" {
                            @if let Some(first) = of_topic.first() {
                                tr.group role="row" { th scope="rowgroup" role="rowheader" colspan=(COLUMNS.len()) { (breakable(&first.topic)) } }
                            }
                            @for partition in of_topic { (row(partition)) }
                        }
                    }
                }
            }
        }
    }
}

fn row(partition: &PartitionStatus) -> Markup {
    let age = partition.position_age_seconds.filter(|age| *age > OLD);
    let cells = [
        (offset(partition.records.map(|records| records as i64)), true),
        (html! { @if partition.seconds > 0.0 { (duration(partition.seconds)) } @else { "–" } }, true),
        (
            html! {
                (offset(partition.position))
                @if let Some(age) = age { div.warn { "as of " (duration(age)) " ago" } }
            },
            true,
        ),
        (offset(partition.committed), true),
        (offset(partition.end), true),
        (history(partition), false),
        (
            html! {
                @match &partition.last_rewind {
                    Some(rewind) => { (time(&rewind.at)) div.muted { (number(rewind.from)) " → " (number(rewind.to)) } }
                    None => { "–" }
                }
            },
            false,
        ),
    ];
    html! {
        tr role="row" {
            th scope="row" role="rowheader" {
                "Partition " (partition.partition)
                @if let Some(why) = &partition.not_read { div.warn { (why) } }
            }
            @for ((cell, is_number), (name, _)) in cells.iter().zip(COLUMNS.iter().skip(1)) {
                td.number[*is_number] role="cell" data-label=(name) { (cell) }
            }
        }
    }
}

fn history(partition: &PartitionStatus) -> Markup {
    html! {
        @match (partition.history, partition.repair_until) {
            (_, Some(until)) => { span.warn { "publishes again" } div.muted { "up to " (number(until)) } }
            (Some("present"), None) => { "present" }
            (Some(other), None) => { span.warn { (other) } }
            (None, None) => { "–" }
        }
    }
}

fn offset(offset: Option<i64>) -> Markup {
    html! { @match offset { Some(offset) => { (number(offset)) } None => { "–" } } }
}

fn number(offset: i64) -> String {
    whole(offset as f64)
}
