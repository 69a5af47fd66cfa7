//! The progress of a job: on standard error; with --json lines on standard output.

use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::HumanDuration;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli::progress::Bar;
use crate::jobs::snapshot::Snapshot;
use crate::store::jobs::Phase;

/// How often it is shown.
const REDRAW: Duration = Duration::from_millis(200);

/// Shows the snapshots in `shown` until its sender is dropped.
pub(super) fn show(kind: &str, shown: watch::Receiver<Option<Snapshot>>, json: bool) -> JoinHandle<()> {
    tokio::spawn(draw(Bar::new(kind, json), shown, json))
}

async fn draw(mut bar: Bar, shown: watch::Receiver<Option<Snapshot>>, json: bool) {
    loop {
        tokio::time::sleep(REDRAW).await;
        if shown.has_changed().is_err() {
            return bar.end();
        }
        let Some(snapshot) = shown.borrow().clone() else { continue };
        let Some(line) = bar.due_line(snapshot.passed, snapshot.expected, text(&snapshot)) else { continue };
        // A closed stream does not stop the job.
        let _ = if json {
            writeln!(io::stdout(), "{}", json!({"progress": snapshot}))
        } else {
            writeln!(io::stderr(), "{line}")
        };
    }
}

fn text(snapshot: &Snapshot) -> String {
    let Snapshot { phase, counts, passed, published, report, .. } = snapshot;
    if *phase != Phase::Work {
        return format!("publishing the changes: {published} users, {:.0}/s", report.rate);
    }
    // A narrow terminal truncates the end.
    let pace = match (&report.held, snapshot.remaining()) {
        (Some(held), _) => format!("  waits: {held}"),
        (None, Some(remaining)) => format!("  {:#} left", HumanDuration(remaining)),
        (None, None) => String::new(),
    };
    let lag = report.live_lag.map(|lag| format!("  live lag {lag}")).unwrap_or_default();
    format!(
        "{passed}  {:.0}/s{pace}{lag}  applied {}, unchanged {}, stale {}, skipped {}, rejected {}",
        report.rate,
        counts.applied,
        counts.unchanged,
        counts.stale,
        counts.skipped + counts.unknown_users,
        counts.rejected,
    )
}
