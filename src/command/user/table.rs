//! What is stored of a user, as a table.

use std::io::{self, Write};

use serde_json::Value;

use super::show::{Shown, ShownRow, ShownState};
use crate::command::text::fit;

const WIDTH: usize = 100;

/// Writes the table; only the contents of sections, if asked for, may be wider than 100 columns.
pub(super) fn write(shown: &Shown, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", fit(&format!("User {}", shown.user_id), WIDTH))?;
    let on_platform = match shown.on_platform {
        Some(true) => "yes",
        Some(false) => "no",
        None => "the database has no users",
    };
    line(out, "on the platform", on_platform)?;
    match shown.outbox_rows {
        Some(rows) => line(out, "outbox rows waiting", &rows.to_string())?,
        None => line(out, "outbox rows waiting", "not looked at: the outbox is deep")?,
    }

    writeln!(out, "\nState")?;
    match &shown.state {
        Some(state) => write_state(state, out)?,
        None => writeln!(out, "  none")?,
    }
    writeln!(out, "\nRow of user_vectors")?;
    match &shown.row {
        Some(row) => write_row(row, out)?,
        None => writeln!(out, "  none")?,
    }
    if let Some(departed) = &shown.departed {
        writeln!(out, "\nDeparted from the platform once")?;
        line(out, "erased", or_none(departed.erased_at.as_deref()))?;
        line(out, "said at revision", &departed.revision.to_string())?;
    }
    Ok(())
}

fn write_state(state: &ShownState, out: &mut impl Write) -> io::Result<()> {
    line(out, "onboarded", or_none(state.onboarded_at.as_deref()))?;
    line(out, "erased", or_none(state.erased_at.as_deref()))?;
    line(out, "logical time", or_none(state.logical_time.as_deref()))?;
    line(out, "catalog version", &state.catalog_version.to_string())?;
    line(out, "job to say it", or_none(state.job.as_deref()))?;
    match &state.said {
        None => line(out, "said", "nothing yet")?,
        Some(said) => {
            line(out, "said", &format!("{} (revision {})", said.said_at, said.revision))?;
            match &said.segments {
                None => line(out, "", "a null record")?,
                Some(segments) if segments.is_empty() => line(out, "", "no segments")?,
                Some(segments) => line(out, "", &segments.join(", "))?,
            }
        }
    }
    if state.sections.is_empty() {
        return line(out, "sections", "none");
    }
    writeln!(out, "\n  {:<15} {:<25} event", "section", "written")?;
    for section in &state.sections {
        let event = if section.event_id.is_empty() { "without an id" } else { &section.event_id };
        let row = format!("  {:<15} {:<25} {event}", section.section, section.written_at);
        writeln!(out, "{}", fit(&row, WIDTH))?;
        if let Some(content) = &section.content {
            writeln!(out, "    {content}")?;
        }
    }
    Ok(())
}

fn write_row(row: &ShownRow, out: &mut impl Write) -> io::Result<()> {
    line(out, "source", &row.source)?;
    line(out, "primarySegment", or_none(row.primary_segment.as_deref()))?;
    let confidence = row.segment_confidence.map_or_else(|| "none".to_owned(), |confidence| confidence.to_string());
    line(out, "segmentConfidence", &confidence)?;
    line(out, "lastSegmentUpdate", or_none(row.last_segment_update.as_deref()))?;
    let segments = match row.segments.as_array() {
        Some(assignments) if assignments.is_empty() => "no segment is close enough".to_owned(),
        Some(assignments) => assignments.iter().map(named).collect::<Vec<_>>().join(", "),
        None => "none".to_owned(),
    };
    line(out, "segments", &segments)
}

fn named(assignment: &Value) -> String {
    let name = assignment.get("segment").and_then(Value::as_str).unwrap_or("?");
    assignment.get("score").and_then(Value::as_f64).map_or(name.to_owned(), |score| format!("{name} {score:.3}"))
}

fn or_none(text: Option<&str>) -> &str {
    text.unwrap_or("none")
}

fn line(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{}", fit(&format!("  {name:<20} {value}"), WIDTH).trim_end())
}
