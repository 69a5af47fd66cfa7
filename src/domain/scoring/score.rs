//! The scores of all segments, and the ranking of the best.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Answers;
use super::catalog::{Catalog, Segment};
use super::dimensions::Dimensions;
use super::reason_rules::reasons;
use super::reasons::Reasons;

/// A segment of a user's ranking, with the reasons for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedSegment {
    pub segment: Arc<str>,
    /// 0 to 1.
    pub score: f64,
    /// At most four, in the specified order.
    pub reasons: Reasons,
}

impl RankedSegment {
    pub(super) fn new(segment: &Segment, score: f64, user: &Dimensions, facts: &Answers<'_>) -> Self {
        Self { segment: Arc::clone(&segment.name), score, reasons: reasons(user, facts, segment) }
    }
}

/// `max(0, 1 − Σ w·|user − centroid| / Σ w)` for each segment, in catalog order.
pub(super) fn scores(user: &Dimensions, catalog: &Catalog) -> Vec<f64> {
    let user = user.to_array();
    let (weights, total) = (catalog.weights(), catalog.total_weight());
    let score = |centroid: [f64; 7]| {
        let distance = weights
            .iter()
            .zip(user.iter().zip(centroid))
            .fold(0.0, |sum, (weight, (user, centroid))| sum + weight * (user - centroid).abs());
        (1.0 - distance / total).max(0.0)
    };
    catalog.segments().map(|segment| score(segment.centroid.to_array())).collect()
}

/// The segments that reach the minimum score, best first, at most the catalog's maximum; equal scores keep catalog order.
pub(super) fn best<'c>(scores: &[f64], catalog: &'c Catalog) -> Vec<(&'c Segment, f64)> {
    let all = catalog.segments().zip(scores.iter().copied());
    let mut best: Vec<_> = all.filter(|(_, score)| *score >= catalog.minimum_score()).collect();
    // A stable sort.
    best.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    best.truncate(catalog.maximum_segments());
    best
}
