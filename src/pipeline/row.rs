//! The content of a `user_vectors` row: a pure function of the segmentation and the profile's logical time.

use std::fmt::Write as _;

use compact_str::CompactString;
use serde::{Serialize, Serializer};

use super::reason_texts::ReasonTexts;
use crate::engine::{Catalog, Segmentation};
use crate::event::Millis;

/// The columns of `user_vectors` that are ours.
#[derive(Debug, Clone, PartialEq)]
pub struct RowContent {
    /// JSON: the assignments, best first.
    pub segments: String,
    pub primary_segment: Option<CompactString>,
    /// The primary segment's score, 0 to 1.
    pub segment_confidence: Option<f64>,
    pub last_segment_update: Millis,
    /// JSON: eight numbers.
    pub vector: String,
}

impl RowContent {
    /// The row for a user whose profile's newest stamp is at `logical_time`.
    pub fn new(segmentation: &Segmentation, catalog: &Catalog, logical_time: Millis) -> Self {
        let first = segmentation.ranking.first();
        Self {
            segments: segments_json(segmentation, catalog, logical_time),
            primary_segment: first.map(|assignment| CompactString::new(catalog.segment_name(assignment.segment))),
            segment_confidence: first.map(|assignment| assignment.score),
            last_segment_update: logical_time,
            vector: vector_json(&segmentation.vector),
        }
    }
}

#[derive(Serialize)]
struct AssignmentJson<'a> {
    segment: &'a str,
    score: f64,
    reasons: ReasonTexts<'a>,
    #[serde(rename = "assignedAt")]
    assigned_at: &'a str,
}

/// The assignments of a segmentation, as the column has them.
struct AssignmentsJson<'a> {
    segmentation: &'a Segmentation,
    catalog: &'a Catalog,
    assigned_at: &'a str,
}

impl Serialize for AssignmentsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let catalog = self.catalog;
        serializer.collect_seq(self.segmentation.ranking.iter().map(|assignment| AssignmentJson {
            segment: catalog.segment_name(assignment.segment),
            score: assignment.score,
            reasons: ReasonTexts { codes: &assignment.reasons, catalog },
            assigned_at: self.assigned_at,
        }))
    }
}

/// What the assignments commonly take, in bytes.
const SEGMENTS_BYTES: usize = 1024;

fn segments_json(segmentation: &Segmentation, catalog: &Catalog, logical_time: Millis) -> String {
    let assigned_at = logical_time.to_string();
    let mut json = Vec::with_capacity(SEGMENTS_BYTES);
    let assignments = AssignmentsJson { segmentation, catalog, assigned_at: &assigned_at };
    // Strings and finite numbers always serialise, and what serde_json writes is UTF-8.
    match serde_json::to_writer(&mut json, &assignments) {
        Ok(()) => String::from_utf8(json).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

fn vector_json(vector: &[f64; 8]) -> String {
    let mut json = String::with_capacity(8 * 20);
    let mut shortest = zmij::Buffer::new();
    for (index, component) in vector.iter().enumerate() {
        json.push(if index == 0 { '[' } else { ',' });
        let text = shortest.format(*component);
        match text.strip_suffix(".0") {
            Some(integer) => json.push_str(integer),
            // Writing into a String cannot fail.
            None if text.contains('e') => _ = write!(json, "{component}"),
            None => json.push_str(text),
        }
    }
    json.push(']');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::vector_json;

    proptest! {
        #[test]
        fn a_component_is_written_as_its_shortest_decimal_without_an_exponent(
            component in prop_oneof![0.0..=1.0, any::<f64>().prop_filter("finite", |any| any.is_finite()), Just(1.0)],
        ) {
            let vector = [component; 8];
            let expected = vector.map(|component| format!("{component}")).join(",");
            prop_assert_eq!(vector_json(&vector), format!("[{expected}]"));
        }
    }
}
