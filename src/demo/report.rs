//! What is told at the end, for somebody who sees the service for the first time. Pure: facts in, text out.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::observer::{Observed, ReadChange, ReadSegment};
use super::screen::{Style, bar, thousands, wrap};
use super::script::{Ingredient, STORIES, Script, traveller};
use crate::kafka::client::Topics;
use crate::metrics::RecordOutcome;

/// What came of it.
#[derive(Debug)]
pub struct Facts<'d> {
    pub script: &'d Script,
    pub seed: u64,
    /// Records that the broker acknowledged.
    pub produced: u64,
    pub endings: [(RecordOutcome, u64); 5],
    /// Travellers by primary segment.
    pub segments: Vec<(String, i64)>,
    pub observed: Observed,
    /// From the first record that ended to the last.
    pub busy: Duration,
}

/// Where everything listens while it is kept up.
#[derive(Debug)]
pub struct Addresses {
    pub http: SocketAddr,
    pub brokers: String,
    pub database_url: String,
    pub log: PathBuf,
}

/// The longest bar, in columns.
const LONGEST_BAR: usize = 40;

/// The report but for its end, which is [`next`] or [`addresses`].
pub fn report(facts: &Facts<'_>, style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    tell_input(&mut page, facts);
    tell_endings(&mut page, facts);
    tell_segments(&mut page, facts);
    tell_changes(&mut page, &facts.observed);
    tell_dead_letters(&mut page, &facts.observed);
    tell_speed(&mut page, facts);
    page.text.trim_start().to_owned()
}

fn tell_input(page: &mut Page, facts: &Facts<'_>) {
    page.heading("What was sent");
    page.paragraph(&format!(
        "{} synthetic travellers (seed {}) on a travel platform answer questions about how they like to travel, and \
         change their minds. The platform's services put that on two Kafka topics, onboarding-completed and \
         profile-updated, with the accidents of real life:",
        thousands(facts.script.users.len() as u64),
        facts.seed
    ));
    for ingredient in Ingredient::ALL {
        page.figure(facts.script.count(ingredient), ingredient.describe(), "");
    }
    page.sum(facts.produced, "records sent");
}

fn tell_endings(page: &mut Page, facts: &Facts<'_>) {
    page.heading("What became of the records");
    for (outcome, count) in facts.endings {
        let (name, meaning) = describe(outcome);
        page.figure(count, name, meaning);
    }
    let all = facts.endings.iter().map(|(_, count)| count).sum();
    page.sum(all, if all == facts.produced { "every record is accounted for" } else { "NOT the number that was sent" });
}

fn describe(outcome: RecordOutcome) -> (&'static str, &'static str) {
    match outcome {
        RecordOutcome::Applied => ("applied", "something new about a traveller"),
        RecordOutcome::Unchanged => ("unchanged", "delivered again; known already"),
        RecordOutcome::Stale => ("stale", "older than what is known: it changes nothing"),
        RecordOutcome::Skipped => ("skipped", "says nothing that matters for segments"),
        RecordOutcome::DeadLettered => ("dead letters", "cannot be applied; kept aside, see below"),
    }
}

fn tell_segments(page: &mut Page, facts: &Facts<'_>) {
    page.heading("Who the travellers are");
    let all: i64 = facts.segments.iter().map(|(_, count)| count).sum();
    page.paragraph(&format!(
        "Each traveller has up to three segments. The first, by travellers, as now stored in PostgreSQL \
         (user_vectors.\"primarySegment\", {} rows):",
        thousands(all.unsigned_abs())
    ));
    let most = facts.segments.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let names = facts.segments.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let room = page.style.width.saturating_sub(names + 20).min(LONGEST_BAR);
    for (name, count) in &facts.segments {
        let percent = *count as f64 * 100.0 / all.max(1) as f64;
        let filled = page.style.cyan(&bar(*count as f64 / most as f64, room));
        let count = thousands(count.unsigned_abs());
        page.line(&format!("  {name:<names$}  {count:>6} {percent:>3.0} %  {filled}"));
    }
}

fn tell_changes(page: &mut Page, observed: &Observed) {
    page.heading("What was said");
    page.paragraph("Whenever a traveller's segments change, the topic segment-changed says so, with the reasons:");
    page.figure(observed.first, "first segments of a traveller", "");
    page.figure(observed.primary_changed, "changes of the first segment", "");
    page.figure(observed.ranking_changed, "other changes of the ranking", "");
    page.figure(observed.erased, "travellers forgotten (null records)", "");
    page.sum(observed.said, "messages on segment-changed");
    page.line("");
    page.line("Some of them:");
    for (number, story) in (0..).zip(&STORIES) {
        let user = traveller(number);
        if let Some(change) = observed.followed.get(&user) {
            tell_change(page, &user, story.title, change);
        }
    }
}

fn tell_change(page: &mut Page, user: &str, title: &str, change: &ReadChange) {
    page.line("");
    page.line(&format!("  {} {}", page.style.bold(user), page.style.dim(&format!("({title})"))));
    page.line(&format!("    before  {}", ranking(&change.previous_segments)));
    let after = page.style.green(&ranking(&change.new_segments));
    page.line(&format!("    after   {after}"));
    let reasons = change.new_segments.first().map(|first| first.reasons.join("; ")).unwrap_or_default();
    page.labelled("    why     ", &reasons);
}

/// Segment and score in percent. The first two: a third would not fit into a line.
fn ranking(segments: &[ReadSegment]) -> String {
    let said = segments.iter().take(2).map(|found| format!("{} {:.0} %", found.segment, found.score * 100.0));
    said.collect::<Vec<_>>().join(", ")
}

fn tell_dead_letters(page: &mut Page, observed: &Observed) {
    page.heading("Dead letters");
    page.paragraph(
        "A record that cannot be applied stops nobody: its original bytes go to the topic segmenter-dead-letter, with \
         the reason in its headers, to be looked at and sent again:",
    );
    for ((reason, detail), count) in &observed.rejections {
        let count = thousands(*count);
        let reason = format!("{reason:<13}");
        page.labelled(&format!("{count:>8}  {}  ", page.style.yellow(&reason)), detail);
    }
    page.sum(observed.dead_letters, "dead letters");
}

fn tell_speed(page: &mut Page, facts: &Facts<'_>) {
    page.heading("How fast");
    let seconds = facts.busy.as_secs_f64();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let per_second = thousands((facts.produced as f64 / seconds.max(0.001)) as u64);
    let build = if cfg!(debug_assertions) { " This is a debug build, and slow." } else { "" };
    page.wrapped(&format!(
        "{} records in {seconds:.1} s, {per_second} a second, on {cores} cores that also ran the broker, the database, the \
         sender and a reader of both output topics.{build}",
        thousands(facts.produced),
    ));
}

/// Where to look next.
pub fn next(style: Style) -> String {
    let mut page = Page { text: String::new(), style };
    page.heading("Where to look next");
    for (what, why) in [
        ("make demo ARGS=--keep", "the same, and stays up for psql and curl"),
        ("docs/config.md", "every setting of `segmenter serve`"),
        ("docs/metrics.md", "what /metrics shows"),
        ("src/engine/catalog.toml", "the segments, as data"),
        ("src/lib.rs", "the road of a record through the code"),
    ] {
        page.line(&format!("  {}  {why}", page.style.bold(&format!("{what:<23}"))));
    }
    page.text
}

/// What to try while everything is kept up.
pub fn addresses(addresses: &Addresses, topics: &Topics, style: Style) -> String {
    let Addresses { http, brokers, database_url, log } = addresses;
    let mut page = Page { text: String::new(), style };
    page.heading("Everything stays up until Ctrl-C");
    for (what, address) in [
        ("Page", format!("http://{http}/")),
        ("Health", format!("http://{http}/health")),
        ("Metrics", format!("http://{http}/metrics")),
        ("Kafka", brokers.clone()),
        ("Database", database_url.clone()),
        ("Log", log.display().to_string()),
    ] {
        page.line(&format!("  {}  {address}", page.style.bold(&format!("{what:<8}"))));
    }
    page.line("");
    page.line("Try:");
    page.line(&format!("  curl -s http://{http}/metrics | grep records_total"));
    page.line(&format!("  psql {database_url} \\"));
    page.line(r#"    -c 'select "userId", "primarySegment", segments from user_vectors limit 3'"#);
    page.line(&format!("  kcat -b {brokers} -t {} -C -e -c 3", topics.segment_changed));
    page.line("");
    page.text
}

/// Text under way.
struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        let line = self.style.bold(heading);
        let rule = self.style.dim(&"─".repeat(self.style.width.saturating_sub(heading.chars().count() + 1)));
        // Writing to a string does not fail.
        let _ = write!(self.text, "\n{line} {rule}\n\n");
    }

    fn wrapped(&mut self, text: &str) {
        for line in wrap(text, self.style.width) {
            self.line(&line);
        }
    }

    fn paragraph(&mut self, text: &str) {
        self.wrapped(text);
        self.line("");
    }

    fn figure(&mut self, count: u64, name: &str, meaning: &str) {
        let count = thousands(count);
        let line = if meaning.is_empty() {
            format!("{count:>8}  {name}")
        } else {
            format!("{count:>8}  {name:<13}  {meaning}")
        };
        self.line(&line);
    }

    fn sum(&mut self, count: u64, name: &str) {
        let count = format!("{:>8}", thousands(count));
        let line = format!("{}  {name}", self.style.bold(&count));
        self.line("  ──────");
        self.line(&line);
    }

    /// `label`, then `text` wrapped beside it.
    fn labelled(&mut self, label: &str, text: &str) {
        let indent = visible_width(label);
        let mut lines = wrap(text, self.style.width.saturating_sub(indent)).into_iter();
        self.line(&format!("{label}{}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }
}

/// How many columns `text` takes, without the codes that colour it.
fn visible_width(text: &str) -> usize {
    let mut width = 0;
    let mut in_code = false;
    for letter in text.chars() {
        match letter {
            '\x1b' => in_code = true,
            'm' if in_code => in_code = false,
            _ if in_code => {}
            _ => width += 1,
        }
    }
    width
}
