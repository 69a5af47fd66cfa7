//! The findings as a table for people and as JSON for machines, and the exit code that they come to.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::finding::{Area, Finding, Verdict};
use super::words::count;
use crate::exit::Exit;

/// All findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// Whether Kafka or PostgreSQL cannot be reached, so that most of its checks were not made.
    pub away: bool,
}

/// Where a sentence begins: two columns of margin, the word for the verdict, a gap.
const INDENT: usize = 13;

impl Report {
    /// 75 if a dependency is away, else 4 if there are problems, else 0.
    pub fn exit(&self) -> Exit {
        let is_problem = |finding: &Finding| matches!(finding.verdict, Verdict::Problem { .. });
        match self.away {
            true => Exit::DependencyAway,
            false if self.findings.iter().any(is_problem) => Exit::Findings,
            false => Exit::Ok,
        }
    }

    /// One row a check, in `width` columns; a word that is longer stands out.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub fn write_table(&self, width: usize, out: &mut impl Write) -> io::Result<()> {
        for area in Area::ALL {
            let findings = self.findings.iter().filter(|finding| finding.area == area);
            writeln!(out, "{}", title(area))?;
            for finding in findings {
                write_row(finding, width, out)?;
            }
            writeln!(out)?;
        }
        writeln!(out, "{}", self.summary())
    }

    /// All of it as one object.
    pub fn to_json(&self) -> Value {
        let checks: Vec<Value> = self.findings.iter().map(to_json).collect();
        json!({"status": self.status(), "checks": checks})
    }

    fn status(&self) -> &'static str {
        match self.exit() {
            Exit::DependencyAway => "away",
            Exit::Findings => "problems",
            _ => "ok",
        }
    }

    fn summary(&self) -> String {
        let [mut ok, mut warnings, mut problems, mut unchecked] = [0_u64; 4];
        for finding in &self.findings {
            match finding.verdict {
                Verdict::Ok => ok += 1,
                Verdict::Warning { .. } => warnings += 1,
                Verdict::Problem { .. } => problems += 1,
                Verdict::Unchecked { .. } => unchecked += 1,
            }
        }
        let (warnings, problems) = (count(warnings, "warning", "warnings"), count(problems, "problem", "problems"));
        format!("{ok} ok, {warnings}, {problems}, {unchecked} unchecked")
    }
}

fn title(area: Area) -> &'static str {
    match area {
        Area::Kafka => "Kafka",
        Area::Database => "PostgreSQL",
        Area::Process => "This process",
    }
}

fn label(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warning { .. } => "warning",
        Verdict::Problem { .. } => "PROBLEM",
        Verdict::Unchecked { .. } => "unchecked",
    }
}

fn write_row(finding: &Finding, width: usize, out: &mut impl Write) -> io::Result<()> {
    let mut label = label(&finding.verdict);
    let sentence = format!("{}: {}", finding.check, finding.sentence);
    let advice = finding.verdict.advice().map(|advice| format!("-> {advice}"));
    for text in [Some(sentence), advice].into_iter().flatten() {
        for line in wrap(&text, width.saturating_sub(INDENT)) {
            writeln!(out, "  {label:<9}  {line}")?;
            label = "";
        }
    }
    Ok(())
}

fn to_json(finding: &Finding) -> Value {
    json!({
        "area": finding.area.as_str(), "check": finding.check, "status": finding.verdict.as_str(),
        "says": finding.sentence, "do": finding.verdict.advice(),
    })
}

/// Breaks between words, so that no line is longer than `width` characters, unless a word is.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let word_length = word.chars().count();
        if length > 0 && length + 1 + word_length > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += word_length;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Check, Untold};
    use super::*;

    const CHECK: Check = Check::kafka("topics");

    fn report(findings: Vec<Finding>) -> Report {
        Report { findings, away: false }
    }

    #[test]
    fn only_problems_and_absences_make_another_exit_code_than_0() {
        let harmless = vec![CHECK.ok("."), CHECK.warning(".", "."), CHECK.unchecked("It", &Untold::failed("."))];
        assert_eq!(report(harmless.clone()).exit(), Exit::Ok);
        let bad: Vec<Finding> = harmless.into_iter().chain([CHECK.problem(".", ".")]).collect();
        assert_eq!(report(bad.clone()).exit(), Exit::Findings);
        assert_eq!(Report { findings: bad, away: true }.exit(), Exit::DependencyAway);
    }

    #[test]
    fn a_long_sentence_is_wrapped_under_its_beginning_and_a_long_word_is_not_broken() {
        let word = "x".repeat(90);
        let finding = CHECK.problem(format!("there is {word} and very much more to say."), "Do something about it.");
        let mut table = Vec::new();
        report(vec![finding]).write_table(40, &mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        let lines: Vec<&str> = table.lines().take(6).collect();
        assert_eq!(lines[..2], ["Kafka", "  PROBLEM    topics: there is"]);
        assert_eq!(lines[2].trim_start(), word);
        assert_eq!(
            lines[3..],
            ["             and very much more to say.", "             -> Do something about it.", ""]
        );
    }
}
