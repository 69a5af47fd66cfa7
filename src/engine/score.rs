//! Scores of all segments, and the ranking of those that are assigned.

use super::Facts;
use super::catalog::{Catalog, SegmentIndex};
use super::dimensions::Dimensions;
use super::reasons::{Reasons, reasons};

/// A segment assigned to a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    pub segment: SegmentIndex,
    /// 0 to 1.
    pub score: f64,
    /// At most four, in the specified order.
    pub reasons: Reasons,
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

/// The best segments whose scores suffice, best first; equal scores keep catalog order.
pub(super) fn rank(scores: &[f64], user: &Dimensions, facts: &Facts<'_>, catalog: &Catalog) -> Vec<Assignment> {
    let all = catalog.indexes().zip(scores.iter().copied());
    let mut best: Vec<_> = all.filter(|(_, score)| *score >= catalog.minimum_score()).collect();
    // A stable sort.
    best.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    best.truncate(catalog.maximum_segments());
    let reasons = |segment| catalog.segment(segment).map(|segment| reasons(user, facts, segment)).unwrap_or_default();
    best.into_iter().map(|(segment, score)| Assignment { segment, score, reasons: reasons(segment) }).collect()
}
