//! What a dry run found.

use std::io::Write;

use serde_json::{Value, json};

use super::table;
use crate::exit::Exit;
use crate::jobs::dry_run::Forecast;

/// How many rows of the flow are shown.
const SHOWN: usize = 40;

/// Writes it; gives the exit code.
pub(super) fn write(forecast: &Forecast, json: bool, out: &mut impl Write) -> anyhow::Result<Exit> {
    let Forecast { counts, flow, failures } = forecast;
    let failures: Vec<(String, String)> =
        failures.iter().map(|failure| (failure.user.clone(), failure.why.clone())).collect();
    let changed: u64 = flow.values().sum();
    if json {
        let flow: Vec<Value> =
            flow.iter().map(|((from, to), users)| json!({"from": from, "to": to, "users": users})).collect();
        writeln!(
            out,
            "{}",
            json!({"dryRun": {"counts": counts, "usersChanged": changed, "flow": flow, "failures": failures}})
        )?;
    } else {
        writeln!(out, "Dry run: nothing was written. What --execute would do now:\n")?;
        table::counts(counts, out)?;
        table::failures(failures.get(..SHOWN.min(failures.len())).unwrap_or_default(), counts.rejected, out)?;
        writeln!(out, "{:<28} {changed:>11}", "users whose ranking changes")?;
        let mut rows: Vec<_> = flow.iter().collect();
        rows.sort_by(|one, other| other.1.cmp(one.1).then_with(|| one.0.cmp(other.0)));
        for ((from, to), users) in rows.iter().take(SHOWN) {
            let name = |segment: &Option<Box<str>>| segment.as_deref().unwrap_or("(none)").to_owned();
            let step =
                if from == to { "same first segment, others change".to_owned() } else { format!("to {}", name(to)) };
            writeln!(out, "  {:<26} {users:>11}  {step}", name(from))?;
        }
        if rows.len() > SHOWN {
            writeln!(out, "  … and {} more; --json shows all", rows.len() - SHOWN)?;
        }
    }
    Ok(if counts.rejected > 0 { Exit::Findings } else { Exit::Ok })
}
