//! The content of a `user_vectors` row: a pure function of the segmentation and the profile's logical time.

use std::sync::Arc;

use compact_str::CompactString;

use super::assignment::{ShownAssignment, write_ranking_json};
use super::json_text::JsonText;
use crate::engine::{Catalog, Segmentation};
use crate::event::Millis;

/// The columns of `user_vectors` that are ours.
#[derive(Debug, Clone, PartialEq)]
pub struct RowContent {
    /// JSON: the assignments, best first. Shared with the change that says them.
    pub segments: Arc<str>,
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
            segments: segments_json(segmentation, catalog, logical_time).into(),
            primary_segment: first.map(|assignment| CompactString::new(catalog.segment_name(assignment.segment))),
            segment_confidence: first.map(|assignment| assignment.score),
            last_segment_update: logical_time,
            vector: vector_json(&segmentation.vector),
        }
    }
}

/// What the assignments commonly take, in bytes.
const SEGMENTS_BYTES: usize = 1024;

fn segments_json(segmentation: &Segmentation, catalog: &Catalog, logical_time: Millis) -> String {
    let assigned_at = logical_time.to_string();
    let assignments = segmentation.ranking.iter().map(|assignment| ShownAssignment {
        segment: catalog.segment_name(assignment.segment),
        score: assignment.score,
        reasons: &assignment.reasons,
        assigned_at: &assigned_at,
        catalog,
    });
    let mut json = JsonText::with_capacity(SEGMENTS_BYTES);
    write_ranking_json(&mut json, assignments);
    json.into_string()
}

/// What the vector commonly takes, in bytes.
const VECTOR_BYTES: usize = 160;

fn vector_json(vector: &[f64; 8]) -> String {
    let mut json = JsonText::with_capacity(VECTOR_BYTES);
    json.list(vector, |json, component| _ = json.plain_double(*component));
    json.into_string()
}
