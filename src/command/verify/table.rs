//! The report for people, in 100 columns: first what was counted, then what was found.

use std::io::{self, Write};

use super::finding::Findings;
use super::report::{Report, Topic};
use crate::command::text::fit;

const WIDTH: usize = 100;
/// How wide the user of a finding may be; a longer one is shortened. The JSON report has all of it.
const SUBJECT: usize = 40;

/// Writes the report.
pub(super) fn write(report: &Report, findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    schema(report, out)?;
    counts(report, out)?;
    distribution(report, out)?;
    if let Some(topic) = &report.topic {
        spoken(topic, out)?;
    }
    found(findings, out)
}

fn schema(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Schema")?;
    line(out, "migrations", &report.schema)?;
    for column in &report.columns {
        line(out, column.name, &column.kind)?;
    }
    line(out, "index on primarySegment", report.index)
}

fn counts(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let (vectors, states, outbox) = (&report.vectors, &report.states, &report.outbox);
    writeln!(out, "\nCounted (information)")?;
    let users = report.users.map_or_else(|| "no such table".to_owned(), |users| users.to_string());
    line(out, "users", &users)?;
    line(out, "users with a vector", &vectors.total.to_string())?;
    let percentage = vectors.percentage.map_or_else(String::new, |percentage| format!("{percentage:.2} %"));
    line(out, "vectors with segments", &format!("{:<12} {percentage}", vectors.with_segments))?;
    line(out, "rows without a state", &format!("{:<12} written by others", vectors.without_state))?;
    line(out, "users with a state", &states.total.to_string())?;
    for (version, users) in &states.catalog_versions {
        let ours = if u32::try_from(*version) == Ok(report.catalog_version) { " (the configured one)" } else { "" };
        line(out, &format!("  scored with catalog {version}"), &format!("{users:<12}{ours}"))?;
    }
    if let Some(deep) = states.deep {
        let left_out = format!("{:<12} {} of another catalog left out", deep.compared, deep.other_catalog);
        line(out, "scored anew and compared", &left_out)?;
    }
    match report.profiles {
        Some(profiles) => {
            let erased = format!("{:<12} {} erased since", profiles.completed, profiles.erased);
            line(out, "completed profiles", &erased)?;
        }
        None => line(out, "completed profiles", "not looked at: no such table, or no right to read it")?,
    }
    line(out, "outbox rows", &format!("{:<12} the oldest {:.0} s old", outbox.rows, outbox.oldest_seconds))
}

fn distribution(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nPrimary segments (information)")?;
    if report.vectors.distribution.is_empty() {
        return writeln!(out, "  none");
    }
    writeln!(out, "  {:<40} {:>12} {:>9}   {:>18}", "", "count", "share", "average confidence")?;
    for share in &report.vectors.distribution {
        let confidence = share.average_confidence.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let name = fit(&share.segment, 40);
        writeln!(out, "  {name:<40} {:>12} {:>7.2} %   {confidence:>18}", share.count, share.share)?;
    }
    Ok(())
}

fn spoken(topic: &Topic, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nTopic {} (information)", fit(&topic.name, 60))?;
    line(out, "records", &topic.records.to_string())?;
    line(out, "users", &topic.users.to_string())?;
    line(out, "records without a user", &topic.unreadable.to_string())?;
    line(out, "users in flight", &format!("{:<12} their change is in the outbox", topic.in_flight))
}

fn found(findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nFindings")?;
    if findings.is_empty() {
        return writeln!(out, "  none");
    }
    for (check, found) in findings.iter() {
        writeln!(out, "  {}: {} {}", check.code(), found.count, check.meaning())?;
        for example in &found.examples {
            let shown = format!("    {}  {}", fit(&example.subject, SUBJECT), example.detail);
            writeln!(out, "{}", fit(&shown, WIDTH))?;
        }
        let more = found.count.saturating_sub(found.examples.len() as u64);
        if more > 0 {
            writeln!(out, "    and {more} more")?;
        }
    }
    Ok(())
}

fn line(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{}", fit(&format!("  {name:<26} {value}"), WIDTH).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::verify::finding::Check;
    use crate::command::verify::report::{Column, Outbox, Share, States, Vectors};

    #[test]
    fn the_widest_report_fits_into_100_columns_and_holds_no_control_characters() {
        let mut findings = Findings::listing(1);
        for _ in 0..2 {
            findings.add(Check::Contradiction, &"\u{1b}[31m".repeat(48), "x".repeat(300));
        }
        let share = Share { segment: "S".repeat(99), count: u64::MAX, share: 100.0, average_confidence: None };
        let report = Report {
            schema: "y".repeat(200),
            columns: vec![Column { name: "segments", kind: "z".repeat(200) }],
            index: "valid",
            catalog_version: 1,
            users: None,
            vectors: Vectors { distribution: vec![share], ..Vectors::default() },
            states: States::default(),
            profiles: None,
            outbox: Outbox { rows: i64::MAX, oldest_seconds: 1e9 },
            topic: Some(Topic {
                name: "t".repeat(249),
                records: u64::MAX,
                users: 0,
                unreadable: 0,
                in_flight: u64::MAX,
            }),
        };
        let mut out = Vec::new();
        write(&report, &findings, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("and 1 more"), "{text}");
    }
}
