//! The progress of a job: on standard error a bar on a terminal, elsewhere a line every ten seconds, so that the report
//! can be redirected to a file; with --json a line on standard output.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::jobs::snapshot::Snapshot;
use crate::store::jobs::Phase;

/// How often the bar is redrawn, and how often a line is written.
const REDRAW: Duration = Duration::from_millis(200);
const LINE: Duration = Duration::from_secs(10);

/// Shows the snapshots in `shown` until its sender is dropped.
pub(super) fn show(kind: &str, shown: watch::Receiver<Option<Snapshot>>, json: bool) -> JoinHandle<()> {
    // Draws nothing if standard error is not a terminal.
    let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(None, target).with_prefix(kind.to_owned());
    // The template is a constant; if it were wrong, the bar would keep its default style.
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:24} {percent:>3} %  {wide_msg}") {
        bar.set_style(style);
    }
    tokio::spawn(draw(bar, shown, json))
}

async fn draw(bar: ProgressBar, shown: watch::Receiver<Option<Snapshot>>, json: bool) {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(REDRAW).await;
        if shown.has_changed().is_err() {
            return bar.abandon();
        }
        let Some(snapshot) = shown.borrow().clone() else { continue };
        let (passed, expected) = (snapshot.passed.min(snapshot.expected), snapshot.expected);
        bar.set_length(expected.max(1));
        bar.set_position(passed);
        bar.set_message(text(&snapshot));
        if !bar.is_hidden() || last.elapsed() < LINE {
            continue;
        }
        last = Instant::now();
        // A closed stream does not stop the job.
        let _ = if json {
            writeln!(io::stdout(), "{}", json!({"progress": snapshot}))
        } else {
            let percent = (passed * 100).checked_div(expected).unwrap_or(100);
            writeln!(io::stderr(), "{} {percent} %  {}", bar.prefix(), bar.message())
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
