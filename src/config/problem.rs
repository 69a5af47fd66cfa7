//! The errors of a configuration: all of them, reported at once, without a value in them.

use std::fmt;

/// The most problems that are listed; a hostile file may have one in each line.
const MOST_LISTED: usize = 100;

/// One error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's key, or the unknown name.
    pub key: String,
    /// The layer of the value; `None` where it is not set.
    pub origin: Option<String>,
    /// The broken rule. It never repeats the value.
    pub rule: String,
}

impl Problem {
    pub(super) fn new(key: &str, origin: Option<String>, rule: impl Into<String>) -> Self {
        Self { key: printable(key), origin, rule: rule.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key)?;
        if let Some(origin) = &self.origin {
            write!(formatter, " ({origin})")?;
        }
        write!(formatter, ": {}", self.rule)
    }
}

/// All errors; never empty.
#[derive(Debug, Clone, thiserror::Error)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(formatter, "the configuration has {count} {}:", if count == 1 { "error" } else { "errors" })?;
        for problem in self.0.iter().take(MOST_LISTED) {
            write!(formatter, "\n  {problem}")?;
        }
        match count.checked_sub(MOST_LISTED) {
            Some(more) if more > 0 => write!(formatter, "\n  and {more} more"),
            _ => Ok(()),
        }
    }
}

/// A name from outside, fit for a terminal: without control characters and not too long.
pub(super) fn printable(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if name.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// The known name most similar to `name`, if it is similar enough for a misspelling.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Less similar names are different words, not misspellings.
    const LIKENESS: f64 = 0.8;
    let name: String = name.chars().take(80).collect();
    known
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// The rule that an unknown name breaks, with a suggestion.
pub(super) fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(suggestion) => format!("is not a setting; did you mean {suggestion}?"),
        None => "is not a setting".into(),
    }
}
