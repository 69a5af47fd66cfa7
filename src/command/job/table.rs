//! Plans and jobs as tables, and as JSON.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::text::fit;
use crate::jobs::replay::plan::{Gap, PlannedRange};
use crate::jobs::run;
use crate::jobs::saying;
use crate::jobs::snapshot::Report;
use crate::jobs::spec::{Range, Spec};
use crate::jobs::throttle::Throttle;
use crate::store::jobs::{Counts, JobRecord, Part};

/// What a replay is expected to manage where no rate is set, in records a second: a guess that its progress corrects.
const GUESSED_RATE: u32 = 5_000;

/// What a replay is going to read.
pub(super) fn plan(planned: &[PlannedRange], rate: Option<u32>, json: bool, out: &mut impl Write) -> io::Result<()> {
    let records: u64 = planned.iter().map(|planned| planned.range.len()).sum();
    let rate = rate.unwrap_or(GUESSED_RATE);
    let takes = Duration::from_secs(records.div_ceil(u64::from(rate)));
    if json {
        let ranges: Vec<Value> = planned.iter().map(range_json).collect();
        return writeln!(
            out,
            "{}",
            json!({"plan": {"ranges": ranges, "records": records, "estimatedSeconds": takes.as_secs()}})
        );
    }
    writeln!(out, "{:<40} {:>9} {:>14} {:>14} {:>12}", "topic", "partition", "start", "end", "records")?;
    for PlannedRange { range: Range { topic, partition, first, end }, earliest, gap } in planned {
        let records = end.saturating_sub(*first);
        write!(out, "{:<40} {partition:>9} {first:>14} {end:>14} {records:>12}", fit(topic, 40))?;
        match gap {
            Some(Gap::Offsets(gone)) => writeln!(out, "  gap: {gone} offsets before {earliest} are gone")?,
            Some(Gap::OlderRecordsGone) => {
                writeln!(out, "  gap: what came before offset {earliest} is gone, and may have been of that time")?;
            }
            None => writeln!(out)?,
        }
    }
    writeln!(out, "{records} records at most; about {} at {rate} a second\n", human(takes))
}

fn range_json(planned: &PlannedRange) -> Value {
    let Range { topic, partition, first, end } = &planned.range;
    let gap = match planned.gap {
        Some(Gap::Offsets(gone)) => json!({"offsets": gone}),
        Some(Gap::OlderRecordsGone) => json!("unknown"),
        None => Value::Null,
    };
    json!({"topic": topic, "partition": partition, "start": first, "end": end, "earliest": planned.earliest, "gap": gap})
}

/// All jobs, a line each.
pub(super) fn list(jobs: &[JobRecord], json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        return jobs.iter().try_for_each(|job| writeln!(out, "{}", job_json(job)));
    }
    if jobs.is_empty() {
        return writeln!(out, "There are no jobs.");
    }
    writeln!(out, "{:<36}  {:<10} {:<11} {:<24} owner", "id", "kind", "state", "started")?;
    for job in jobs {
        let owner = job.owner_name.as_deref().filter(|_| job.is_owned()).unwrap_or("");
        let started = job.created_at.to_string();
        writeln!(out, "{}  {:<10} {:<11} {:<24} {}", job.id, job.kind, job.state(), started, fit(owner, 40))?;
    }
    Ok(())
}

fn job_json(job: &JobRecord) -> Value {
    json!({
        "id": job.id, "kind": job.kind, "state": job.state(), "startedAt": job.created_at.to_string(),
        "endedAt": job.ended_at.map(|at| at.to_string()), "spec": job.spec, "throttle": job.throttle,
        "owner": job.owner_name, "report": job.report,
    })
}

/// One job with its parts.
pub(super) fn status(job: &JobRecord, parts: &[Part], json: bool, out: &mut impl Write) -> io::Result<()> {
    let total = total(parts);
    if json {
        let mut shown = job_json(job);
        let part = |part: &Part| json!({"part": part.name, "position": part.position, "until": part.until, "done": part.done, "counts": part.counts});
        if let Value::Object(members) = &mut shown {
            members.insert("counts".to_owned(), json!(total));
            members.insert("parts".to_owned(), parts.iter().map(part).collect());
        }
        return writeln!(out, "{shown}");
    }
    writeln!(out, "\n{} {}: {}", job.kind, job.id, job.state())?;
    if let Ok(spec) = serde_json::from_value::<Spec>(job.spec.clone()) {
        let passed = run::passed(&spec.what, parts).min(spec.expected);
        writeln!(out, "{:<28} {passed:>11} of about {}", "passed", spec.expected)?;
    }
    counts(&total, out)?;
    if job.ended_at.is_none() {
        let report: Report = serde_json::from_value(job.report.clone()).unwrap_or_default();
        let throttle: Throttle = serde_json::from_value(job.throttle.clone()).unwrap_or_default();
        writeln!(out, "{:<28} {}", "limits", limits(&throttle))?;
        if let Some(held) = &report.held {
            writeln!(out, "{:<28} {held}", "held up by")?;
        }
        for part in parts.iter().filter(|part| part.name != saying::PART && !part.done) {
            let until = part.until.as_deref().map(|until| format!(" of {until}")).unwrap_or_default();
            writeln!(out, "  {:<40} at {}{until}", fit(&part.name, 40), fit(&part.position, 60))?;
        }
    }
    Ok(())
}

/// Counts, a line each.
pub(super) fn counts(counts: &Counts, out: &mut impl Write) -> io::Result<()> {
    let mut row = |name: &str, count: u64| writeln!(out, "{name:<28} {count:>11}");
    row("items", counts.items)?;
    row("  applied", counts.applied)?;
    row("  unchanged", counts.unchanged)?;
    row("  stale", counts.stale)?;
    row("  skipped", counts.skipped)?;
    if counts.not_completed > 0 {
        row("    not completed", counts.not_completed)?;
    }
    if counts.without_profile > 0 {
        row("    without a profile", counts.without_profile)?;
    }
    row("  of unknown users", counts.unknown_users)?;
    row("  rejected", counts.rejected)
}

/// Who could not be taken, and why.
pub(super) fn failures(failures: &[(String, String)], all: u64, out: &mut impl Write) -> io::Result<()> {
    for (user, why) in failures {
        writeln!(out, "  {}: {why}", fit(user, 60))?;
    }
    let more = all.saturating_sub(failures.len() as u64);
    if !failures.is_empty() && more > 0 {
        writeln!(out, "  … and {more} more")?;
    }
    Ok(())
}

/// The counts of the work, all parts together.
pub(super) fn total(parts: &[Part]) -> Counts {
    let work = parts.iter().filter(|part| part.name != saying::PART);
    work.map(|part| part.counts).fold(Counts::default(), Counts::plus)
}

/// The limits of a job in a line.
pub(super) fn limits(throttle: &Throttle) -> String {
    let limit = |name: &str, value: Option<u64>, unit: &str| value.map(|value| format!("{name} {value}{unit}"));
    let limits = [
        limit("rate", throttle.rate.map(u64::from), "/s"),
        limit("live lag", throttle.max_live_lag, " records"),
        limit("outbox", throttle.max_outbox, " rows"),
        limit("database latency", throttle.max_db_latency_ms, " ms"),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    if limits.is_empty() { "none".to_owned() } else { limits.join(", ") }
}

/// A duration as people say it.
pub(super) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
