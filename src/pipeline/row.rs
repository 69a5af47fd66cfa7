//! The content of a `user_vectors` row: a pure function of the segmentation and the profile's logical time.

use std::fmt::Write as _;

use crate::engine::{Catalog, Segmentation};
use crate::event::Millis;

/// The columns of `user_vectors` that are ours.
#[derive(Debug, Clone, PartialEq)]
pub struct RowContent {
    /// JSON: the assignments, best first.
    pub segments: String,
    pub primary_segment: Option<Box<str>>,
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
            primary_segment: first.map(|assignment| catalog.segment_name(assignment.segment).into()),
            segment_confidence: first.map(|assignment| assignment.score),
            last_segment_update: logical_time,
            vector: vector_json(&segmentation.vector),
        }
    }
}

#[derive(serde::Serialize)]
struct AssignmentJson<'a> {
    segment: &'a str,
    score: f64,
    reasons: Vec<&'a str>,
    #[serde(rename = "assignedAt")]
    assigned_at: &'a str,
}

fn segments_json(segmentation: &Segmentation, catalog: &Catalog, logical_time: Millis) -> String {
    let assigned_at = logical_time.to_string();
    let assignments: Vec<AssignmentJson<'_>> = segmentation
        .ranking
        .iter()
        .map(|assignment| AssignmentJson {
            segment: catalog.segment_name(assignment.segment),
            score: assignment.score,
            reasons: assignment.reasons.iter().map(|code| catalog.reason_text(*code)).collect(),
            assigned_at: &assigned_at,
        })
        .collect();
    // Strings and finite numbers always serialise.
    serde_json::to_string(&assignments).unwrap_or_default()
}

fn vector_json(vector: &[f64; 8]) -> String {
    let mut json = String::with_capacity(8 * 20);
    for (index, component) in vector.iter().enumerate() {
        json.push(if index == 0 { '[' } else { ',' });
        // Writing into a String cannot fail.
        let _ = write!(json, "{component}");
    }
    json.push(']');
    json
}
