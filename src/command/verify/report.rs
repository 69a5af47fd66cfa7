//! What was counted, apart from what was found.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::finding::Findings;

/// The counts of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How the database's migrations stand to this program.
    pub schema: String,
    /// The four columns with their types, as found.
    pub columns: Vec<Column>,
    /// The index on `primarySegment`.
    pub index: &'static str,
    /// Of the configured catalog.
    pub catalog_version: u32,
    /// Absent where the database has no `users` table.
    pub users: Option<i64>,
    pub vectors: Vectors,
    pub states: States,
    /// Absent where the table of onboarding profiles is not there or may not be read.
    pub profiles: Option<Profiles>,
    pub outbox: Outbox,
    /// Absent where the topic was not read.
    pub topic: Option<Topic>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    pub name: &'static str,
    #[serde(rename = "type")]
    pub kind: String,
}

/// Rows of `user_vectors`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vectors {
    pub total: u64,
    /// With a primary segment.
    pub with_segments: u64,
    /// Of `withSegments` in `total`; absent while the table is empty.
    pub percentage: Option<f64>,
    /// With segments, the empty list among them, and no state of ours: written by others.
    pub without_state: u64,
    pub distribution: Vec<Share>,
}

/// A primary segment, with the rows that have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    pub segment: String,
    pub count: u64,
    /// Percent of the rows with a primary segment.
    pub share: f64,
    /// 0 to 1; absent where a confidence is no number.
    pub average_confidence: Option<f64>,
}

/// States of users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct States {
    pub total: u64,
    /// Users with segments by the version of the catalog that scored them.
    pub catalog_versions: BTreeMap<i32, u64>,
    /// Absent without --deep.
    pub deep: Option<Deep>,
}

/// What was scored anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deep {
    pub compared: u64,
    /// Scored with another catalog version, and therefore not compared.
    pub other_catalog: u64,
}

/// Onboarding profiles that the platform stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Profiles {
    pub completed: u64,
    /// Completed, without segments, and rightly so: the user was erased.
    pub erased: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outbox {
    pub rows: i64,
    pub oldest_seconds: f64,
}

/// The topic segment-changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    pub name: String,
    pub records: u64,
    pub users: u64,
    /// Records whose key names no user.
    pub unreadable: u64,
    /// Users whose change waits in the outbox.
    pub in_flight: u64,
}

/// Percent of `part` in `whole`, rounded to two digits as PostgreSQL rounds a numeric; `None` of nothing.
pub(super) fn percentage(part: u64, whole: u64) -> Option<f64> {
    let (part, whole) = (u128::from(part), u128::from(whole));
    let hundredths = (part * 20_000 + whole).checked_div(whole * 2)?;
    Some(hundredths as f64 / 100.0)
}

/// `value` rounded to two digits as PostgreSQL rounds a double cast to numeric: half away from zero after 15 digits.
pub(super) fn two_digits(value: f64) -> Option<f64> {
    let exact = format!("{value:.14}").parse::<f64>().ok().filter(|value| value.is_finite())?;
    let scaled = (exact * 1e13).round();
    // Beyond this a double has no two digits to round.
    if scaled.abs() > 9e15 {
        return Some(value);
    }
    Some((scaled / 1e11).round() / 100.0)
}

/// The report as JSON.
pub(super) fn json(report: &Report, findings: &Findings) -> Value {
    let found: Vec<Value> = findings
        .iter()
        .map(|(check, found)| {
            json!({
                "check": check.code(), "meaning": check.meaning(), "count": found.count, "examples": found.examples,
            })
        })
        .collect();
    json!({"ok": findings.is_empty(), "counts": report, "findings": found})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_rounded_half_up_and_there_is_none_of_nothing() {
        assert_eq!(percentage(0, 0), None);
        assert_eq!(percentage(2, 3), Some(66.67));
        assert_eq!(percentage(1, 32), Some(3.13));
        assert_eq!((percentage(0, 7), percentage(7, 7)), (Some(0.0), Some(100.0)));
    }

    #[test]
    fn averages_are_rounded_half_up_by_their_decimal_digits() {
        for (value, rounded) in [(0.815, 0.82), (0.814_999, 0.81), (0.825, 0.83), (1.0, 1.0), (0.0, 0.0), (0.005, 0.01)]
        {
            assert_eq!(two_digits(value), Some(rounded), "{value}");
        }
        assert_eq!((two_digits(f64::NAN), two_digits(1e300)), (None, Some(1e300)));
    }
}
