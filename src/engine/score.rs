//! Scores of all segments, and the ranking of those that are assigned.

use smallvec::SmallVec;

use super::Facts;
use super::catalog::{Catalog, SegmentIndex};
use super::dimensions::Dimensions;
use super::reasons::{self, Reasons};

/// A segment assigned to a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    pub segment: SegmentIndex,
    /// 0 to 1.
    pub score: f64,
    /// At most four, in the specified order.
    pub reasons: Reasons,
}

/// A score a segment; those of the eight segments of the built-in catalog lie in place.
pub type Scores = SmallVec<[f64; 8]>;

/// Segments assigned, best first; the built-in catalog's three lie in place, with the one that a better one drives out.
pub type Ranking = SmallVec<[Assignment; 4]>;

/// `max(0, 1 − Σ w·|user − centroid| / Σ w)` for each segment, in catalog order.
pub(super) fn scores(user: &Dimensions, catalog: &Catalog) -> Scores {
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
pub(super) fn rank(scores: &[f64], user: &Dimensions, facts: &Facts<'_>, catalog: &Catalog) -> Ranking {
    let most = catalog.maximum_segments();
    let mut ranking = Ranking::with_capacity(most + 1);
    let sufficient =
        catalog.indexes().zip(scores.iter().copied()).filter(|(_, score)| *score >= catalog.minimum_score());
    for (segment, score) in sufficient {
        // Behind those that score the same, which stand before it in the catalog.
        let place = ranking.partition_point(|better| better.score >= score);
        if place < most {
            ranking.insert(place, Assignment { segment, score, reasons: Reasons::new() });
            ranking.truncate(most);
        }
    }
    for assignment in &mut ranking {
        if let Some(segment) = catalog.segment(assignment.segment) {
            assignment.reasons = reasons::reasons(user, facts, segment);
        }
    }
    ranking
}
