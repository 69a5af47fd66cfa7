//! Reads and validates a catalog file, and reports all its errors at once, each with its place.
//!
//! The file is walked as a TOML tree rather than deserialised, because serde stops at the first error.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use toml::{Table, Value};

use super::dimensions::Dimensions;
use super::reasons::ReasonCode;

/// The content of a valid catalog file, with every −0 made 0.
pub(super) struct CatalogFile {
    pub version: u32,
    pub minimum_score: f64,
    pub maximum_segments: usize,
    pub weights: Dimensions,
    /// Units per EUR, by currency.
    pub rates: Vec<([u8; 3], f64)>,
    /// In the order of [`ReasonCode::ALL`].
    pub reason_texts: Vec<Arc<str>>,
    pub segments: Vec<SegmentFile>,
}

/// One segment of the file.
pub(super) struct SegmentFile {
    pub name: Arc<str>,
    pub centroid: Dimensions,
    pub typical_vector: [f64; 8],
}

/// The most segments a catalog may have; every one of them is scored for every write.
const MOST_SEGMENTS: usize = 64;
/// The most segments a user may be assigned.
const MOST_ASSIGNED: i64 = 10;
/// In bytes.
const LONGEST_NAME: usize = 64;
/// In code points.
const LONGEST_TEXT: usize = 256;
/// PostgreSQL stores the version as `integer`.
const HIGHEST_VERSION: i64 = i32::MAX as i64;
/// Wide enough for any currency, narrow enough that no amount becomes infinite or 0.
const USABLE_RATES: RangeInclusive<f64> = 1e-9..=1e9;

/// Reads `text`.
///
/// # Errors
/// All errors of the file; for a text that is not TOML, that one error.
pub(super) fn read(text: &str) -> Result<CatalogFile, Vec<String>> {
    let root: Table = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
    let mut reader = Reader { errors: Vec::new() };
    let file = reader.catalog(&root);
    if reader.errors.is_empty() { Ok(file) } else { Err(reader.errors) }
}

/// Collects errors. An invalid value is replaced by a placeholder, which never leaves [`read`].
struct Reader {
    errors: Vec<String>,
}

impl Reader {
    fn catalog(&mut self, root: &Table) -> CatalogFile {
        let keys = ["version", "minimum_score", "maximum_segments", "weights", "rates", "reasons", "segments"];
        self.only("", root, &keys);
        CatalogFile {
            version: u32::try_from(self.integer(root, "version", 1..=HIGHEST_VERSION)).unwrap_or(0),
            minimum_score: self.share("", root, "minimum_score"),
            maximum_segments: usize::try_from(self.integer(root, "maximum_segments", 1..=MOST_ASSIGNED)).unwrap_or(0),
            weights: self.weights(root),
            rates: self.rates(root),
            reason_texts: self.reason_texts(root),
            segments: self.segments(root),
        }
    }

    fn weights(&mut self, root: &Table) -> Dimensions {
        let weights = self.point("", root, "weights");
        if root.contains_key("weights") && weights.to_array().iter().all(|weight| *weight == 0.0) {
            self.error("weights", "at least one must be above 0");
        }
        weights
    }

    fn rates(&mut self, root: &Table) -> Vec<([u8; 3], f64)> {
        let mut rates = Vec::new();
        for (currency, value) in self.table("", root, "rates").into_iter().flatten() {
            let place = format!("rates.{}", printable(currency));
            let rate = number(value).filter(|rate| USABLE_RATES.contains(rate));
            if rate.is_none() {
                self.error(&place, "must be a number between 1e-9 and 1e9");
            }
            let code =
                <[u8; 3]>::try_from(currency.as_bytes()).ok().filter(|code| code.iter().all(u8::is_ascii_uppercase));
            match code {
                None => self.error(&place, "must be a currency of three capital letters"),
                Some([b'E', b'U', b'R']) => self.error(&place, "is 1 by definition and must not be listed"),
                Some(code) => rates.push((code, rate.unwrap_or(1.0))),
            }
        }
        // The hash must not depend on the order in the file.
        rates.sort_by_key(|(currency, _)| *currency);
        rates
    }

    fn reason_texts(&mut self, root: &Table) -> Vec<Arc<str>> {
        let Some(table) = self.table("", root, "reasons") else { return Vec::new() };
        self.only("reasons", table, &ReasonCode::ALL.map(ReasonCode::as_str));
        let is_text = |text: &str| {
            !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT && !text.contains(char::is_control)
        };
        let must = format!("must be 1 to {LONGEST_TEXT} printable characters");
        ReasonCode::ALL.iter().map(|code| self.text("reasons", table, code.as_str(), is_text, &must)).collect()
    }

    fn segments(&mut self, root: &Table) -> Vec<SegmentFile> {
        let Some(value) = self.present("", root, "segments") else { return Vec::new() };
        let Some(list) = value.as_array() else {
            self.error("segments", "must be a list of tables");
            return Vec::new();
        };
        if !(1..=MOST_SEGMENTS).contains(&list.len()) {
            self.error("segments", format!("must be 1 to {MOST_SEGMENTS}, not {}", list.len()));
        }
        let mut segments: Vec<SegmentFile> = Vec::new();
        for (index, value) in list.iter().enumerate().take(MOST_SEGMENTS) {
            let place = format!("segments[{index}]");
            let Some(table) = value.as_table() else {
                self.error(&place, "must be a table");
                continue;
            };
            let segment = self.segment(&place, table);
            if !segment.name.is_empty() && segments.iter().any(|earlier| earlier.name == segment.name) {
                self.error(&format!("{place}.name"), format!("{} is listed twice", segment.name));
            }
            segments.push(segment);
        }
        segments
    }

    fn segment(&mut self, place: &str, table: &Table) -> SegmentFile {
        self.only(place, table, &["name", "centroid", "typical_vector"]);
        let is_name = |name: &str| {
            (1..=LONGEST_NAME).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let must = format!("must be 1 to {LONGEST_NAME} of A-Z, 0-9 and _");
        SegmentFile {
            name: self.text(place, table, "name", is_name, &must),
            centroid: self.point(place, table, "centroid"),
            typical_vector: self.typical_vector(place, table),
        }
    }

    fn typical_vector(&mut self, place: &str, table: &Table) -> [f64; 8] {
        let mut vector = [0.0; 8];
        let Some(value) = self.present(place, table, "typical_vector") else { return vector };
        let place = join(place, "typical_vector");
        match value.as_array() {
            Some(list) if list.len() == vector.len() => {
                for (index, (component, value)) in vector.iter_mut().zip(list).enumerate() {
                    *component = self.share_of(&format!("{place}[{index}]"), value);
                }
            }
            _ => self.error(&place, format!("must be a list of {} numbers", vector.len())),
        }
        vector
    }

    /// One number a dimension, each between 0 and 1.
    fn point(&mut self, place: &str, parent: &Table, key: &str) -> Dimensions {
        let empty = Table::new();
        let found = self.table(place, parent, key);
        let place = join(place, key);
        let keys = ["budget", "group", "activity", "comfort", "age", "style", "business_mix"];
        self.only(&place, found.unwrap_or(&empty), &keys);
        let mut share = |key| found.map_or(0.0, |table| self.share(&place, table, key));
        Dimensions {
            budget: share("budget"),
            group: share("group"),
            activity: share("activity"),
            comfort: share("comfort"),
            age: share("age"),
            style: share("style"),
            business_mix: share("business_mix"),
        }
    }

    fn share(&mut self, place: &str, table: &Table, key: &str) -> f64 {
        self.present(place, table, key).map_or(0.0, |value| self.share_of(&join(place, key), value))
    }

    fn share_of(&mut self, place: &str, value: &Value) -> f64 {
        let share = number(value).filter(|number| (0.0..=1.0).contains(number));
        share.unwrap_or_else(|| {
            self.error(place, "must be a number between 0 and 1");
            0.0
        })
    }

    fn integer(&mut self, root: &Table, key: &str, range: RangeInclusive<i64>) -> i64 {
        let (least, most) = (*range.start(), *range.end());
        let Some(value) = self.present("", root, key) else { return least };
        value.as_integer().filter(|number| range.contains(number)).unwrap_or_else(|| {
            self.error(key, format!("must be a whole number from {least} to {most}"));
            least
        })
    }

    /// The text if it `fits`; else an empty one, and the error is `must`.
    fn text(&mut self, place: &str, table: &Table, key: &str, fits: impl Fn(&str) -> bool, must: &str) -> Arc<str> {
        let Some(value) = self.present(place, table, key) else { return "".into() };
        value.as_str().filter(|text| fits(text)).map_or_else(
            || {
                self.error(&join(place, key), must);
                "".into()
            },
            Arc::from,
        )
    }

    fn table<'t>(&mut self, place: &str, parent: &'t Table, key: &str) -> Option<&'t Table> {
        let value = self.present(place, parent, key)?;
        let table = value.as_table();
        if table.is_none() {
            self.error(&join(place, key), "must be a table");
        }
        table
    }

    fn present<'t>(&mut self, place: &str, table: &'t Table, key: &str) -> Option<&'t Value> {
        let value = table.get(key);
        if value.is_none() {
            self.error(&join(place, key), "is missing");
        }
        value
    }

    fn only(&mut self, place: &str, table: &Table, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            self.error(&join(place, &printable(key)), "is not known");
        }
    }

    fn error(&mut self, place: &str, problem: impl Display) {
        self.errors.push(format!("{place}: {problem}"));
    }
}

/// A TOML integer or float; −0 is 0.
fn number(value: &Value) -> Option<f64> {
    let number = value.as_float().or_else(|| value.as_integer().map(|integer| integer as f64))?;
    Some(number + 0.0)
}

fn join(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// A name from a file, made safe to show.
fn printable(name: &str) -> String {
    name.chars().take(LONGEST_NAME).flat_map(char::escape_debug).collect()
}
