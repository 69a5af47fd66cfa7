//! Progress on standard error: a bar on a terminal, elsewhere a line every ten seconds, so that a report on standard output can
//! be redirected to a file.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a line is written where no bar is drawn.
const LINE: Duration = Duration::from_secs(10);

/// The progress of a command.
pub(super) struct Bar {
    bar: ProgressBar,
    last_line: Instant,
}

impl Bar {
    /// A bar with a name before it; `hidden` if only lines are wanted.
    pub fn new(name: &str, hidden: bool) -> Self {
        // Draws nothing if standard error is not a terminal.
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target).with_prefix(name.to_owned());
        // The template is a constant; if it were wrong, the bar would keep its default style.
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:24} {percent:>3} %  {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, last_line: Instant::now() }
    }

    /// Shows that `passed` of `expected` are done.
    pub fn show(&mut self, passed: u64, expected: u64, message: String) {
        if let Some(line) = self.due_line(passed, expected, message) {
            // A closed stream does not stop the command.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Draws the bar; returns the line that is due where none is drawn.
    pub fn due_line(&mut self, passed: u64, expected: u64, message: String) -> Option<String> {
        let passed = passed.min(expected);
        self.bar.set_length(expected.max(1));
        self.bar.set_position(passed);
        self.bar.set_message(message);
        if !self.bar.is_hidden() || self.last_line.elapsed() < LINE {
            return None;
        }
        self.last_line = Instant::now();
        let percent = (passed * 100).checked_div(expected).unwrap_or(100);
        Some(format!("{} {percent} %  {}", self.bar.prefix(), self.bar.message()))
    }

    /// Leaves the bar as it is.
    pub fn end(&self) {
        self.bar.abandon();
    }
}
