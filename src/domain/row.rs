//! The content of a `user_vectors` row: a pure function of the segmentation and the profile's logical time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::Millis;
use super::scoring::{Catalog, RankedSegment, Segmentation};

/// The values of our columns in `user_vectors`.
#[derive(Debug, Clone, PartialEq)]
pub struct RowContent {
    /// Best first.
    pub segments: Vec<ShownSegment>,
    pub last_segment_update: Millis,
    pub vector: [f64; 8],
}

impl RowContent {
    /// The row of a user whose profile has this logical time.
    pub fn new(segmentation: &Segmentation, catalog: &Catalog, logical_time: Millis) -> Self {
        let assigned_at = logical_time.to_string().into();
        let segments =
            segmentation.ranking.iter().map(|ranked| ShownSegment::new(ranked, &assigned_at, catalog)).collect();
        Self { segments, last_segment_update: logical_time, vector: segmentation.vector }
    }

    /// The name of the primary segment.
    pub fn primary_segment(&self) -> Option<&str> {
        self.segments.first().map(|primary| &*primary.segment)
    }

    /// The primary segment's score, 0 to 1.
    pub fn segment_confidence(&self) -> Option<f64> {
        self.segments.first().map(|primary| primary.score)
    }
}

/// A segment that the user is in.
///
/// As rows and records show it: the reasons are texts for the traveller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AssignedSegment)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShownSegment {
    /// The segment's name in the catalog.
    pub segment: Arc<str>,
    /// 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub score: f64,
    /// The reasons for the segment, as the catalog's texts.
    pub reasons: Vec<Arc<str>>,
    /// The profile's logical time, RFC 3339 in UTC with milliseconds.
    #[schema(format = DateTime)]
    pub assigned_at: Arc<str>,
}

impl ShownSegment {
    /// The ranked segment with the catalog's texts for its reasons.
    pub fn new(ranked: &RankedSegment, assigned_at: &Arc<str>, catalog: &Catalog) -> Self {
        Self {
            segment: Arc::clone(&ranked.segment),
            score: ranked.score,
            reasons: ranked.reasons.iter().map(|code| catalog.reason_text(*code)).collect(),
            assigned_at: Arc::clone(assigned_at),
        }
    }
}
