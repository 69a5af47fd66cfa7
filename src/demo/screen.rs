//! What the demo writes on: how wide it is, whether it may be coloured, and a line of progress.
//!
//! The report goes to standard output, progress to standard error, so that the report can be kept in a file.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use terminal_size::{Width, terminal_size_of};

/// Where it is not a terminal, and the limits where it is: longer lines are hard to read.
const DEFAULT_WIDTH: usize = 80;
const LEAST_WIDTH: usize = 60;
const GREATEST_WIDTH: usize = 110;

/// How often progress is said where no line can be redrawn, and how often it is redrawn.
const PLAIN_INTERVAL: Duration = Duration::from_secs(3);
const REDRAW_INTERVAL: Duration = Duration::from_millis(80);

/// How text is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// In columns.
    pub width: usize,
    pub colours: bool,
}

impl Style {
    /// As standard output allows; `NO_COLOR` (<https://no-color.org>) forbids colours.
    pub fn of_stdout() -> Self {
        let stdout = io::stdout();
        let width = terminal_size_of(&stdout).map_or(DEFAULT_WIDTH, |(Width(width), _)| usize::from(width));
        Self {
            width: width.clamp(LEAST_WIDTH, GREATEST_WIDTH),
            colours: stdout.is_terminal() && !is_set("NO_COLOR") && !is_dumb(),
        }
    }

    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub fn cyan(self, text: &str) -> String {
        self.paint("36", text)
    }

    pub fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == OsStr::new("dumb"))
}

/// `text` broken between words into lines of at most `width` columns.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// `count` with a comma between thousands.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A bar of `share` (0 to 1) of `width` columns, to an eighth of a column; never quite nothing.
pub fn bar(share: f64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // A share is finite and small: no digit is lost that shows.
    let eighths = ((share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize).max(1);
    let last = PARTS.get(eighths % 8).copied().unwrap_or_default();
    "█".repeat(eighths / 8) + last
}

/// Says how far it is, on standard error.
pub struct Progress {
    /// `None` where no line can be redrawn: not a terminal.
    width: Option<usize>,
    said: Option<Instant>,
}

impl Progress {
    pub fn new() -> Self {
        let stderr = io::stderr();
        let width = terminal_size_of(&stderr).map(|(Width(width), _)| usize::from(width));
        Self { width: width.filter(|_| stderr.is_terminal() && !is_dumb()), said: None }
    }

    /// A new phase, which says nothing until it is over.
    pub fn phase(&mut self, what: &str) {
        self.write(what);
        self.said = Some(Instant::now());
    }

    /// `done` of `all`, of which so many a second.
    pub fn advance(&mut self, done: u64, all: u64, per_second: f64) {
        let interval = if self.width.is_some() { REDRAW_INTERVAL } else { PLAIN_INTERVAL };
        if self.said.is_some_and(|said| said.elapsed() < interval) {
            return;
        }
        self.said = Some(Instant::now());
        let figures =
            format!("{} of {} records, {} a second", thousands(done), thousands(all), thousands(per_second as u64));
        let share = if all == 0 { 1.0 } else { done as f64 / all as f64 };
        match self.width {
            Some(width) => {
                let room = width.saturating_sub(figures.chars().count() + 4).min(40);
                let filled = bar(share, room);
                let rest = room.saturating_sub(filled.chars().count());
                self.write(&format!("▕{filled}{}▏ {figures}", " ".repeat(rest)));
            }
            None => self.write(&figures),
        }
    }

    /// The last word: a line that stays.
    pub fn end(&self, what: &str) {
        self.clear();
        write_to_stderr(&format!("{what}\n"));
    }

    /// Takes the line away, so that other text can be written.
    pub fn clear(&self) {
        if self.width.is_some() {
            write_to_stderr("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        match self.width {
            Some(width) => {
                let cut: String = text.chars().take(width.saturating_sub(1)).collect();
                write_to_stderr(&format!("\r\x1b[K{cut}"));
            }
            None => write_to_stderr(&format!("{text}\n")),
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Progress that nobody can be told of is no reason to fail.
fn write_to_stderr(text: &str) {
    let mut stderr = io::stderr();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_and_lines_within_the_width() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("overlong a", 4), ["overlong", "a"]);
        assert!(wrap("", 4).is_empty());
    }

    #[test]
    fn thousands_are_set_off() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.0, 4), "▏");
        assert_eq!(bar(0.125, 4), "▌");
    }

    #[test]
    fn without_colours_text_is_only_itself() {
        assert_eq!(Style { width: 80, colours: false }.bold("text"), "text");
        assert_eq!(Style { width: 80, colours: true }.bold("text"), "\x1b[1mtext\x1b[0m");
    }
}
