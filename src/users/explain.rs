//! The report on a profile: its segments, with the reasons.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::domain::event::Millis;
use crate::domain::fold::engine_input;
use crate::domain::profile::Profile;
use crate::domain::scoring::{self, Catalog, Dimensions, Segmentation};

/// The explanation of one profile, with the texts of its reasons.
#[derive(Debug, Serialize)]
pub(crate) struct ExplainReport<'c> {
    /// The time at which ages are computed.
    at: String,
    catalog_version: u32,
    /// Whether the budget's currency is not in the catalog, so that EUR is assumed.
    unknown_currency: bool,
    #[serde(flatten)]
    explanation: Explanation<'c>,
    reasons: BTreeMap<&'static str, Arc<str>>,
}

/// The segmentation of a profile.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation<'c> {
    /// Best first.
    segments: Vec<Ranked>,
    /// The traveller's dimensions, each from 0 to 1.
    dimensions: BTreeMap<&'static str, f64>,
    /// The score of each segment, from 0 to 1.
    scores: BTreeMap<&'c str, f64>,
    vector: [f64; 8],
    preference_vector: [f64; 8],
    /// The weight of the preferences in the vector; the rest is the first segment's typical vector.
    preference_weight: f64,
    /// The completeness of the profile, in percent.
    completeness: f64,
    blend_confidence: f64,
}

#[derive(Debug, Serialize)]
struct Ranked {
    segment: Arc<str>,
    score: f64,
    reasons: Vec<&'static str>,
}

impl<'c> ExplainReport<'c> {
    /// Scores a profile; ages are computed at `at`.
    pub fn of(profile: &Profile, at: Millis, catalog: &'c Catalog) -> Self {
        let segmented = scoring::segment(&engine_input(profile, at), catalog);
        let reasons = segmented.ranking.iter().flat_map(|ranked| &ranked.reasons);
        Self {
            at: at.to_string(),
            catalog_version: catalog.version(),
            unknown_currency: segmented.unknown_currency,
            reasons: reasons.map(|code| (code.as_str(), catalog.reason_text(*code))).collect(),
            explanation: Explanation::of(&segmented, catalog),
        }
    }
}

impl<'c> Explanation<'c> {
    pub fn of(of: &Segmentation, catalog: &'c Catalog) -> Self {
        let ranked = of.ranking.iter().map(|ranked| Ranked {
            segment: Arc::clone(&ranked.segment),
            score: ranked.score,
            reasons: ranked.reasons.iter().map(|code| code.as_str()).collect(),
        });
        Self {
            segments: ranked.collect(),
            dimensions: Dimensions::NAMES.into_iter().zip(of.dimensions.to_array()).collect(),
            scores: catalog.segments().map(|segment| &*segment.name).zip(of.scores.iter().copied()).collect(),
            vector: of.vector,
            preference_vector: of.preference_vector,
            preference_weight: of.preference_weight,
            completeness: of.completeness,
            blend_confidence: of.blend_confidence,
        }
    }
}
