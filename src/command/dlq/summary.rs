//! The end of a redrive, for people and for programs.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::dlq::redrive::Report;
use crate::dlq::selection::Seen;
use crate::event::Reason;

pub(super) fn to_json(report: &Report, executed: bool) -> Value {
    let tally = &report.tally;
    let rejected: Map<String, Value> =
        tally.still_rejected.iter().map(|(reason, count)| (reason.as_str().to_owned(), json!(count))).collect();
    let refused: Map<String, Value> =
        tally.not_redrivable.iter().map(|(why, count)| (why.as_str().to_owned(), json!(count))).collect();
    json!({"summary": {
        "executed": executed, "records": tally.considered, "supersededDeadLetters": tally.superseded,
        "applied": tally.applied, "unchanged": tally.unchanged, "stale": tally.stale, "skipped": tally.skipped,
        "stillRejected": rejected, "notRedrivable": refused, "segmentChanges": tally.changes,
        "foreign": report.seen.foreign, "exact": report.is_exact,
        "complete": report.halted.is_none(),
    }})
}

pub(super) fn write(report: &Report, executed: bool, out: &mut impl Write) -> io::Result<()> {
    let tally = &report.tally;
    if !executed {
        writeln!(out, "Dry run: nothing is written. What --execute would do now:\n")?;
    }
    let mut row = |name: &str, count: u64| writeln!(out, "{name:<28} {count:>9}");
    row("records considered", tally.considered)?;
    row("  applied", tally.applied)?;
    row("  unchanged", tally.unchanged)?;
    row("  stale", tally.stale)?;
    row("  skipped", tally.skipped)?;
    row("  still rejected", tally.still_rejected.values().sum())?;
    for (reason, count) in &tally.still_rejected {
        row(&format!("    {}", reason.as_str()), *count)?;
    }
    row("  not redrivable", tally.not_redrivable.values().sum())?;
    for (why, count) in &tally.not_redrivable {
        row(&format!("    {}", why.as_str()), *count)?;
    }
    row("older dead letters of these", tally.superseded)?;
    row("changes of segments", tally.changes)?;
    if !report.is_exact {
        writeln!(out, "Users with several dead letters are too many to be followed: the counts are close, not exact.")?;
    }
    if !executed && !tally.still_rejected.contains_key(&Reason::RejectedByDatabase) && tally.applied > 0 {
        writeln!(out, "What rules of the database's own would refuse shows only with --execute.")?;
    }
    write_foreign(&report.seen, out)
}

pub(super) fn write_foreign(seen: &Seen, out: &mut impl Write) -> io::Result<()> {
    let Some(first) = &seen.first_foreign else { return Ok(()) };
    writeln!(
        out,
        "foreign records in the topic, no dead letters of this program: {}; the first, {}: {}",
        seen.foreign, first.place, first.why
    )
}
