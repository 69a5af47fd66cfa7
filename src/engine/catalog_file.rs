//! The catalog as it is written in TOML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A catalog file; [`Catalog`](super::Catalog) is what remains after validation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CatalogFile {
    pub version: u32,
    pub minimum_score: f64,
    pub maximum_segments: usize,
    pub weights: PointFile,
    /// Units per EUR, by currency.
    pub rates: BTreeMap<String, f64>,
    /// Texts, by reason code.
    pub reasons: BTreeMap<String, String>,
    pub segments: Vec<SegmentFile>,
}

/// One number a dimension.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PointFile {
    pub budget: f64,
    pub group: f64,
    pub activity: f64,
    pub comfort: f64,
    pub age: f64,
    pub style: f64,
    pub business_mix: f64,
}

/// One segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentFile {
    pub name: String,
    pub centroid: PointFile,
    pub typical_vector: Vec<f64>,
}
