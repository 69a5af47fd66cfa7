//! The report at the end, for readers new to the service, in 80 columns.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::HumanCount;
use segmenter::telemetry::metrics::RecordOutcome;
use serde_json::Value;

use super::observer::Observed;
use super::script::{Ingredient, STORIES, Script, traveller};

/// The data of the report.
#[derive(Debug)]
pub struct Facts<'d> {
    pub script: &'d Script,
    pub seed: u64,
    /// Records that the broker acknowledged.
    pub produced: u64,
    pub outcomes: [(RecordOutcome, u64); 5],
    /// Travellers by primary segment.
    pub segments: Vec<(String, i64)>,
    pub observed: Observed,
    /// From the first finished record to the last.
    pub busy: Duration,
}

/// The addresses of the servers with `--keep`.
#[derive(Debug)]
pub struct Addresses {
    pub http: String,
    pub brokers: String,
    pub database_url: String,
    pub log: PathBuf,
    /// The topic.
    pub segment_changed: String,
}

/// The report without its end, which is [`next`] or [`addresses`].
pub fn report(facts: &Facts<'_>) -> String {
    let mut page = Page::new();
    write_input(&mut page, facts);
    write_outcomes(&mut page, facts);
    write_segments(&mut page, facts);
    write_changes(&mut page, &facts.observed);
    write_dead_letters(&mut page, &facts.observed);
    write_speed(&mut page, facts);
    page.text.trim_start().to_owned()
}

fn write_input(page: &mut Page, facts: &Facts<'_>) {
    page.heading("Input");
    page.paragraph(&format!(
        "{} synthetic travellers (seed {}) on a travel platform answer questions about how they like to travel, and \
         change their answers. The platform's services produce both to two Kafka topics, onboarding-completed and \
         profile-updated, with the irregularities of real traffic:",
        HumanCount(facts.script.users.len() as u64),
        facts.seed
    ));
    for (ingredient, description) in Ingredient::ALL {
        page.figure(facts.script.count(ingredient), description);
    }
    page.sum(facts.produced, "records sent");
}

fn write_outcomes(page: &mut Page, facts: &Facts<'_>) {
    page.heading("Outcomes");
    for (outcome, count) in facts.outcomes {
        page.figure(
            count,
            match outcome {
                RecordOutcome::Applied => "applied        changes a traveller's profile",
                RecordOutcome::Unchanged => "unchanged      delivered again, or stored already",
                RecordOutcome::Stale => "stale          older than the stored profile: no change",
                RecordOutcome::Skipped => "skipped        carries nothing for segments",
                RecordOutcome::DeadLettered => "dead letters   rejected, see below",
            },
        );
    }
    let all = facts.outcomes.iter().map(|(_, count)| count).sum();
    page.sum(all, if all == facts.produced { "every record is accounted for" } else { "NOT the number that was sent" });
}

fn write_segments(page: &mut Page, facts: &Facts<'_>) {
    page.heading("Segments");
    let all: i64 = facts.segments.iter().map(|(_, count)| count).sum();
    page.paragraph(&format!(
        "Each traveller has up to three segments. The first, by travellers, as now stored in PostgreSQL \
         (user_vectors.\"primarySegment\", {} rows):",
        HumanCount(all.unsigned_abs())
    ));
    let most = facts.segments.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    for (name, count) in &facts.segments {
        let percent = *count as f64 * 100.0 / all.max(1) as f64;
        let filled = page.paint("36", &bar(*count as f64 / most as f64, 40));
        page.line(&format!("  {name:<19}{} {percent:>3.0} %  {filled}", thousands(count.unsigned_abs())));
    }
}

fn write_changes(page: &mut Page, observed: &Observed) {
    page.heading("Changes");
    page.paragraph("Each change of a traveller's segments goes to the topic segment-changed, with its reasons:");
    page.figure(observed.first, "first segments of a traveller");
    page.figure(observed.primary_changed, "changes of the first segment");
    page.figure(observed.ranking_changed, "other changes of the ranking");
    page.figure(observed.erased, "tombstones of erased travellers");
    page.sum(observed.changes, "records on segment-changed");
    page.line("\nSome of them:");
    for (number, story) in (0..).zip(&STORIES) {
        let user = traveller(number);
        if let Some(change) = observed.followed.get(&user) {
            write_change(page, &user, story.title, change);
        }
    }
}

fn write_change(page: &mut Page, user: &str, title: &str, change: &Value) {
    page.line(&format!("\n  {} {}", page.paint(BOLD, user), page.paint(DIM, &format!("({title})"))));
    page.line(&format!("    before  {}", ranking(change, "/payload/previousSegments")));
    page.line(&format!("    after   {}", page.paint("32", &ranking(change, "/payload/newSegments"))));
    let reasons = list(change, "/payload/newSegments/0/reasons").filter_map(Value::as_str);
    page.beside("    why     ", "", &reasons.collect::<Vec<_>>().join("; "));
}

/// Segment and score in percent. The first two: a third would not fit into a line.
fn ranking(change: &Value, pointer: &str) -> String {
    let shown = list(change, pointer).take(2).filter_map(|segment| {
        let (name, score) = (segment.get("segment")?.as_str()?, segment.get("score")?.as_f64()?);
        Some(format!("{name} {:.0} %", score * 100.0))
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn write_dead_letters(page: &mut Page, observed: &Observed) {
    page.heading("Dead letters");
    page.paragraph(
        "A rejected record does not block the others: its original bytes go to the topic segmenter-dead-letter, with \
         the reason in its headers, for inspection and redrive:",
    );
    for ((reason, detail), count) in &observed.rejections {
        page.beside(&format!("{}  ", thousands(*count)), &format!("{reason:<15}"), detail);
    }
    page.sum(observed.dead_letters, "dead letters");
}

fn write_speed(page: &mut Page, facts: &Facts<'_>) {
    page.heading("Speed");
    let seconds = facts.busy.as_secs_f64();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let build = if cfg!(debug_assertions) { "built without optimization, " } else { "" };
    page.wrapped(&format!(
        "{} records in {seconds:.1} s, {} a second, {build}on {cores} cores that also ran the broker, the database, the \
         sender and a reader of both output topics. docs/benchmarks.md has the figures of a release build.",
        HumanCount(facts.produced),
        HumanCount((facts.produced as f64 / seconds.max(0.001)) as u64),
    ));
}

/// Further reading.
pub fn next() -> String {
    let mut page = Page::new();
    page.heading("Next");
    page.table(&[
        ("make demo ARGS=--keep          ", "the same, and keeps serving for psql and curl"),
        ("docs/config.md                 ", "every setting of `segmenter serve`"),
        ("docs/metrics.md                ", "the metrics of /metrics"),
        ("src/domain/scoring/catalog.toml", "the segments, as data"),
        ("src/lib.rs                     ", "the road of a record through the code"),
    ]);
    page.text
}

/// Commands to try with `--keep`.
pub fn addresses(addresses: &Addresses) -> String {
    let Addresses { http, brokers, database_url, log, segment_changed } = addresses;
    let mut page = Page::new();
    page.heading("Everything serves until Ctrl-C");
    page.table(&[
        ("Page    ", &format!("{http}/")),
        ("Health  ", &format!("{http}/health")),
        ("Metrics ", &format!("{http}/metrics")),
        ("Kafka   ", brokers),
        ("Database", database_url),
        ("Log     ", &log.display().to_string()),
    ]);
    page.line("\nTry:");
    page.line(&format!("  curl -s {http}/metrics | grep records_total"));
    page.line(&format!("  psql {database_url} \\"));
    page.line(r#"    -c 'select "userId", "primarySegment", segments from user_vectors limit 3'"#);
    page.line(&format!("  kcat -b {brokers} -t {segment_changed} -C -e -c 3\n"));
    page.text
}

/// `count` with a comma between thousands, in eight columns.
fn thousands(count: u64) -> String {
    format!("{:>8}", HumanCount(count).to_string())
}

/// A bar of `share` (0 to 1) of `width` columns, to an eighth of a column and at least that.
fn bar(share: f64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // A share is finite and small, so the cast loses no visible digit.
    let eighths = ((share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize).max(1);
    let last = PARTS.get(eighths % 8).copied().unwrap_or_default();
    "█".repeat(eighths / 8) + last
}

/// `text` broken between words into lines of at most `width` columns.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => *line += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Of the report, in columns.
const WIDTH: usize = 80;

const BOLD: &str = "1";
const DIM: &str = "2";

/// The text so far.
struct Page {
    text: String,
    colours: bool,
}

impl Page {
    /// With colours where standard output shows them; `NO_COLOR` (<https://no-color.org>) forbids them.
    fn new() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { text: String::new(), colours: std::io::stdout().is_terminal() && !forbidden && !dumb }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        let rule = "─".repeat(WIDTH.saturating_sub(heading.chars().count() + 1));
        self.line(&format!("\n{} {}\n", self.paint(BOLD, heading), self.paint(DIM, &rule)));
    }

    fn wrapped(&mut self, text: &str) {
        wrap(text, WIDTH).iter().for_each(|line| self.line(line));
    }

    fn paragraph(&mut self, text: &str) {
        self.wrapped(text);
        self.line("");
    }

    fn figure(&mut self, count: u64, name: &str) {
        self.line(&format!("{}  {name}", thousands(count)));
    }

    fn sum(&mut self, count: u64, name: &str) {
        self.line("  ──────");
        self.line(&format!("{}  {name}", self.paint(BOLD, &thousands(count))));
    }

    /// `label` and `coloured`, then `text` wrapped beside them.
    fn beside(&mut self, label: &str, coloured: &str, text: &str) {
        let indent = label.chars().count() + coloured.chars().count();
        let mut before = format!("{label}{}", self.paint("33", coloured));
        for line in wrap(text, WIDTH.saturating_sub(indent)) {
            self.line(&format!("{before}{line}"));
            before = " ".repeat(indent);
        }
    }

    fn table(&mut self, rows: &[(&str, &str)]) {
        for (name, text) in rows {
            self.line(&format!("  {}  {text}", self.paint(BOLD, name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_whole_and_a_bar_is_as_long_as_its_share() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("overlong a", 4), ["overlong", "a"]);
        assert_eq!([1.0, 0.5, 0.125, 0.0].map(|share| bar(share, 4)), ["████", "██", "▌", "▏"]);
    }
}
