//! The progress of a job: a bar on a terminal, elsewhere a line every ten seconds, on standard error, so that the report can
//! be kept in a file; as JSON on standard output, with the rest.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::table::human;
use crate::jobs::snapshot::Snapshot;
use crate::store::jobs::Stage;

/// How often the bar is redrawn, and how often a line is written.
const REDRAW: Duration = Duration::from_millis(200);
const LINE: Duration = Duration::from_secs(10);

/// Shows what `shown` holds until its sender is gone.
pub(super) fn show(kind: &str, shown: watch::Receiver<Option<Snapshot>>, json: bool) -> JoinHandle<()> {
    let kind = kind.to_owned();
    if !json && io::stderr().is_terminal() {
        tokio::spawn(bar(kind, shown))
    } else {
        tokio::spawn(lines(kind, shown, json))
    }
}

async fn bar(kind: String, mut shown: watch::Receiver<Option<Snapshot>>) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is ours; if it were wrong, the bar's own look would do.
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:24} {percent:>3} %  {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(kind);
    while changed(&mut shown, REDRAW).await {
        if let Some(snapshot) = shown.borrow().as_ref() {
            bar.set_length(snapshot.expected.max(1));
            bar.set_position(snapshot.passed.min(snapshot.expected));
            bar.set_message(text(snapshot));
        }
    }
    bar.abandon();
}

async fn lines(kind: String, mut shown: watch::Receiver<Option<Snapshot>>, json: bool) {
    let mut last = Instant::now();
    while changed(&mut shown, REDRAW).await {
        if last.elapsed() < LINE {
            continue;
        }
        last = Instant::now();
        let Some(snapshot) = shown.borrow().clone() else { continue };
        // Where it cannot be written to, nobody looks.
        let _ = if json {
            writeln!(io::stdout(), "{}", line_json(&snapshot))
        } else {
            writeln!(io::stderr(), "{kind} {} %  {}", percent(&snapshot), text(&snapshot))
        };
    }
}

/// Waits for a look at `shown`; false once nothing is shown any more.
async fn changed(shown: &mut watch::Receiver<Option<Snapshot>>, interval: Duration) -> bool {
    tokio::time::sleep(interval).await;
    shown.has_changed().is_ok()
}

fn percent(snapshot: &Snapshot) -> u64 {
    (snapshot.passed.min(snapshot.expected) * 100).checked_div(snapshot.expected).unwrap_or(100)
}

fn text(snapshot: &Snapshot) -> String {
    let Snapshot { stage, counts, passed, said, report, .. } = snapshot;
    if *stage != Stage::Work {
        return format!("saying what has changed: {said} users, {:.0}/s", report.rate);
    }
    // What matters most comes first: a narrow terminal cuts the end.
    let pace = match (&report.held, snapshot.remaining()) {
        (Some(held), _) => format!("  waits: {held}"),
        (None, Some(remaining)) => format!("  {} left", human(remaining)),
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

fn line_json(snapshot: &Snapshot) -> serde_json::Value {
    json!({"progress": {
        "stage": snapshot.stage.as_str(), "passed": snapshot.passed, "expected": snapshot.expected,
        "counts": snapshot.counts, "said": snapshot.said, "rate": snapshot.report.rate,
        "liveLag": snapshot.report.live_lag, "held": snapshot.report.held,
        "remainingSeconds": snapshot.remaining().map(|left| left.as_secs()),
    }})
}
