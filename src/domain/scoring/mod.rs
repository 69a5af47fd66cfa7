//! One travel profile to segment assignments and a feature vector: pure, deterministic, bit for bit.
//!
//! ```text
//! catalog       segments, weights, rates, texts     catalog_file  reads and validates them
//! catalog_diff  the differences between two catalogs, in words
//! simulation    one profile, scored with two catalogs
//! dimensions    profile → seven dimensions          log10         the logarithm they need, equal on every platform
//! score         dimensions → scores, the best segments
//! reasons       the reasons for a segment
//! vector        the feature vector
//! ```
//!
//! The order of floating-point operations is part of the contract with the consumers of the results, so sums here are
//! written out in the specified order.

mod catalog;
mod catalog_diff;
mod catalog_file;
mod dimensions;
mod log10;
mod reason_rules;
mod reasons;
mod score;
mod simulation;
mod vector;

pub(crate) use catalog::BUILTIN;
pub use catalog::{Catalog, CatalogErrors};
pub(crate) use catalog_diff::{Difference, differences};

pub(crate) use dimensions::Dimensions;
pub(crate) use reasons::ReasonCode;
pub use reasons::Reasons;
pub use score::RankedSegment;
pub(crate) use simulation::{Simulation, simulate};

use super::event::Millis;
use super::section::{
    Accommodation, Activities, Budget, Climate, Demographics, Destinations, Experience, Quality, Token, Transport,
    Travel,
};

/// The engine's input from a profile. A section is `None` if no event carried it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub budget: Option<&'a Budget>,
    pub travel: Option<&'a Travel>,
    pub accommodation: Option<&'a Accommodation>,
    pub activities: Option<&'a Activities>,
    pub experience: Option<&'a Experience>,
    pub climate: Option<&'a Climate>,
    pub destinations: Option<&'a Destinations>,
    pub transport: Option<&'a Transport>,
    pub demographics: Option<&'a Demographics>,
    pub quality: Option<&'a Quality>,
    /// The time at which the user's age is taken.
    pub logical_time: Millis,
}

/// The result for one profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    pub dimensions: Dimensions,
    /// One score a segment, 0 to 1, in catalog order.
    pub scores: Vec<f64>,
    /// At most three segments, best first.
    pub ranking: Vec<RankedSegment>,
    pub preference_vector: [f64; 8],
    /// The share of the profile that is filled, 0 to 100.
    pub completeness: f64,
    /// The confidence in the user's own preferences, 0.2 to 0.95.
    pub blend_confidence: f64,
    /// The share of the preference vector in `vector`.
    pub preference_weight: f64,
    /// The feature vector: climate, culture, budget, activity, group, urban, gastronomy, popularity; each 0 to 1.
    pub vector: [f64; 8],
    /// The budget is in a currency that the catalog does not list, and was taken as EUR.
    pub unknown_currency: bool,
}

/// Segments one profile.
pub fn segment(input: &Input<'_>, catalog: &Catalog) -> Segmentation {
    let facts = Answers::new(input, catalog);
    let dimensions = dimensions::dimensions(&facts);
    let scores = score::scores(&dimensions, catalog);
    let best = score::best(&scores, catalog);
    let ranking =
        best.iter().map(|(segment, score)| RankedSegment::new(segment, *score, &dimensions, &facts)).collect();
    let preference_vector = vector::preferences(&facts);
    let blend = vector::Blend::new(&facts);
    Segmentation {
        dimensions,
        scores,
        ranking,
        preference_vector,
        completeness: blend.completeness,
        blend_confidence: blend.confidence,
        preference_weight: blend.preference_weight,
        vector: best
            .first()
            .map_or(preference_vector, |(primary, _)| blend.mix(&preference_vector, &primary.typical_vector)),
        unknown_currency: facts.unknown_currency,
    }
}

/// A budget in EUR a day.
#[derive(Debug, Clone, Copy)]
struct BudgetEur {
    min: f64,
    max: f64,
}

/// The profile as the scoring rules read it: absent sections are empty, money is in EUR.
struct Answers<'a> {
    budget: Option<BudgetEur>,
    unknown_currency: bool,
    travel_types: &'a [Token],
    purposes: &'a [Token],
    group_types: &'a [Token],
    travel_with_children: bool,
    children_ages: &'a [u8],
    accommodation_types: &'a [Token],
    comfort_level: Option<&'a str>,
    activity_types: &'a [Token],
    interests: &'a [Token],
    activity_level: Option<&'a str>,
    risk_tolerance: Option<&'a str>,
    climates: &'a [Token],
    airlines: &'a [Token],
    input: &'a Input<'a>,
}

impl<'a> Answers<'a> {
    fn new(input: &'a Input<'a>, catalog: &Catalog) -> Self {
        let range = input.budget.and_then(|budget| budget.global_range.as_ref());
        let rate = range.and_then(|range| range.currency.as_ref()).map(|currency| catalog.rate(currency.as_str()));
        // An unlisted currency is taken as EUR.
        let divisor = rate.flatten().unwrap_or(1.0);
        let level = |token: &'a Option<Token>| token.as_ref().map(Token::as_str);
        Self {
            budget: range.map(|range| BudgetEur { min: range.min / divisor, max: range.max / divisor }),
            unknown_currency: rate == Some(None),
            travel_types: input.travel.map_or(&[], |travel| &travel.types),
            purposes: input.travel.map_or(&[], |travel| &travel.purposes),
            group_types: input.travel.map_or(&[], |travel| &travel.group_types),
            travel_with_children: input.travel.and_then(|travel| travel.travel_with_children).unwrap_or(false),
            children_ages: input.travel.map_or(&[], |travel| &travel.children_ages),
            accommodation_types: input.accommodation.map_or(&[], |accommodation| &accommodation.types),
            comfort_level: input.accommodation.and_then(|accommodation| level(&accommodation.comfort_level)),
            activity_types: input.activities.map_or(&[], |activities| &activities.types),
            interests: input.activities.map_or(&[], |activities| &activities.interests),
            activity_level: input.activities.and_then(|activities| level(&activities.activity_level)),
            risk_tolerance: input.experience.and_then(|experience| level(&experience.risk_tolerance)),
            climates: input.climate.map_or(&[], |climate| &climate.preferences),
            airlines: input.transport.map_or(&[], |transport| &transport.preferred_airlines),
            input,
        }
    }

    fn is_adventurous(&self) -> bool {
        self.risk_tolerance == Some("ADVENTUROUS")
    }
}

/// Whether `tokens` contain `word`, which is upper-case as they are.
fn has(tokens: &[Token], word: &str) -> bool {
    tokens.iter().any(|token| token.as_str() == word)
}

#[cfg(test)]
mod any_input_tests;

#[cfg(test)]
mod catalog_tests;

#[cfg(test)]
mod tests;
