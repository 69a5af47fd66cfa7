//! The content of a `user_vectors` row: a pure function of the segmentation and the profile's logical time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

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

/// A ranked segment as rows and records show it: the reasons are texts for the traveller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShownSegment {
    pub segment: Arc<str>,
    /// 0 to 1.
    pub score: f64,
    pub reasons: Vec<Arc<str>>,
    /// RFC 3339.
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
