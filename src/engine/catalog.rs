//! The catalog: segments, weights, rates and texts. Data, not code: compiled in, replaceable by a file, versioned.

use std::fmt;

use sha2::{Digest, Sha256};

use super::catalog_file::{CatalogFile, PointFile, SegmentFile};
use super::dimensions::{self, Dimensions};
use super::reasons::ReasonCode;

/// A segment's place in its catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentIndex(u8);

/// The reason that a segment has to itself; it goes by the segment's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnReason {
    HostelStays,
    ChildrenCount,
    LuxuryStays,
    RiskTaker,
    RomanticStyle,
    BusinessTravel,
}

impl OwnReason {
    fn of(segment: &str) -> Option<Self> {
        match segment {
            "BUDGET_BACKPACKER" => Some(Self::HostelStays),
            "FAMILY_EXPLORER" => Some(Self::ChildrenCount),
            "LUXURY_TRAVELER" => Some(Self::LuxuryStays),
            "ADVENTURE_SEEKER" => Some(Self::RiskTaker),
            "ROMANTIC_COUPLE" => Some(Self::RomanticStyle),
            "BUSINESS_LEISURE" => Some(Self::BusinessTravel),
            _ => None,
        }
    }
}

/// One segment of the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub name: Box<str>,
    pub centroid: Dimensions,
    pub typical_vector: [f64; 8],
    pub(super) own_reason: Option<OwnReason>,
}

/// A valid catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    version: u32,
    hash: [u8; 32],
    minimum_score: f64,
    maximum_segments: usize,
    weights: [f64; dimensions::COUNT],
    total_weight: f64,
    rates: Vec<(Box<str>, f64)>,
    /// In the order of [`ReasonCode::ALL`].
    reason_texts: Vec<Box<str>>,
    segments: Vec<Segment>,
}

/// Everything that is wrong with a catalog file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogErrors(pub Vec<String>);

impl fmt::Display for CatalogErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the catalog is not valid: {}", self.0.join("; "))
    }
}

impl std::error::Error for CatalogErrors {}

const BUILTIN: &str = include_str!("catalog.toml");

/// The most segments a catalog may have; every one of them is scored for every write.
const MOST_SEGMENTS: usize = 64;
const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 256;
const MOST_ASSIGNED: usize = 10;

impl Catalog {
    /// The catalog compiled in.
    ///
    /// # Errors
    /// Only a program that was built from an invalid `catalog.toml` gives errors, which its tests rule out.
    pub fn builtin() -> Result<Self, CatalogErrors> {
        Self::parse(BUILTIN)
    }

    /// Reads and validates a catalog.
    ///
    /// # Errors
    /// All that is wrong with it at once, each naming its place; only what is not TOML or lacks a field comes alone.
    pub fn parse(toml: &str) -> Result<Self, CatalogErrors> {
        let file: CatalogFile = toml::from_str(toml).map_err(|error| CatalogErrors(vec![error.to_string()]))?;
        let errors = validate(&file);
        if errors.is_empty() { Ok(Self::from_valid(&file)) } else { Err(CatalogErrors(errors)) }
    }

    /// Increases with every change; a user is never scored with a lower version than before.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// SHA-256 of the catalog's content, whatever its layout and comments.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The segments in catalog order, which decides between equal scores.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    /// The indexes of the segments, in catalog order.
    pub fn indexes(&self) -> impl Iterator<Item = SegmentIndex> {
        (0_u8..).take(self.segments.len()).map(SegmentIndex)
    }

    pub fn segment(&self, index: SegmentIndex) -> Option<&Segment> {
        self.segments.get(usize::from(index.0))
    }

    /// The segment's name; empty for an index of another catalog.
    pub fn segment_name(&self, index: SegmentIndex) -> &str {
        self.segment(index).map_or("", |segment| &segment.name)
    }

    pub fn index_of(&self, name: &str) -> Option<SegmentIndex> {
        self.indexes().find(|index| self.segment_name(*index) == name)
    }

    /// What the traveller is told.
    pub fn reason_text(&self, code: ReasonCode) -> &str {
        self.reason_texts.get(usize::from(u8::from(code))).map_or("", |text| text)
    }

    pub(super) fn typical_vector(&self, index: SegmentIndex) -> Option<&[f64; 8]> {
        self.segment(index).map(|segment| &segment.typical_vector)
    }

    /// Units of the currency per EUR; `None` for one that is not listed.
    pub(super) fn rate(&self, currency: &str) -> Option<f64> {
        if currency == "EUR" {
            return Some(1.0);
        }
        self.rates.iter().find(|(listed, _)| &**listed == currency).map(|(_, rate)| *rate)
    }

    pub(super) fn weights(&self) -> &[f64; dimensions::COUNT] {
        &self.weights
    }

    pub(super) fn total_weight(&self) -> f64 {
        self.total_weight
    }

    pub(super) fn minimum_score(&self) -> f64 {
        self.minimum_score
    }

    pub(super) fn maximum_segments(&self) -> usize {
        self.maximum_segments
    }

    fn from_valid(file: &CatalogFile) -> Self {
        let weights = point(&file.weights).to_array();
        // Plain structs of strings and finite numbers always serialise.
        let canonical = serde_json::to_vec(file).unwrap_or_default();
        let text = |code: &ReasonCode| file.reasons.get(code.as_str()).map_or("", |text| text).into();
        Self {
            version: file.version,
            hash: Sha256::digest(&canonical).into(),
            minimum_score: file.minimum_score,
            maximum_segments: file.maximum_segments,
            total_weight: weights.iter().fold(0.0, |sum, weight| sum + weight),
            weights,
            rates: file.rates.iter().map(|(currency, rate)| (currency.as_str().into(), *rate)).collect(),
            reason_texts: ReasonCode::ALL.iter().map(text).collect(),
            segments: file.segments.iter().map(segment).collect(),
        }
    }
}

fn segment(file: &SegmentFile) -> Segment {
    let mut typical_vector = [0.0; 8];
    for (component, value) in typical_vector.iter_mut().zip(&file.typical_vector) {
        *component = *value;
    }
    Segment {
        name: file.name.as_str().into(),
        centroid: point(&file.centroid),
        typical_vector,
        own_reason: OwnReason::of(&file.name),
    }
}

fn point(file: &PointFile) -> Dimensions {
    Dimensions {
        budget: file.budget,
        group: file.group,
        activity: file.activity,
        comfort: file.comfort,
        age: file.age,
        style: file.style,
        business_mix: file.business_mix,
    }
}

fn validate(file: &CatalogFile) -> Vec<String> {
    let mut errors = Vec::new();
    let mut check = |holds: bool, error: String| {
        if !holds {
            errors.push(error);
        }
    };
    let is_share = |number: f64| (0.0..=1.0).contains(&number);
    check((1..=i32::MAX as u32).contains(&file.version), format!("version: must be 1 to {}", i32::MAX));
    check(is_share(file.minimum_score), "minimum_score: must be between 0 and 1".to_owned());
    check(
        (1..=MOST_ASSIGNED).contains(&file.maximum_segments),
        format!("maximum_segments: must be 1 to {MOST_ASSIGNED}"),
    );

    let weights = point(&file.weights).to_array();
    for (name, weight) in Dimensions::NAMES.iter().zip(weights) {
        check(is_share(weight), format!("weights.{name}: must be between 0 and 1"));
    }
    check(weights.iter().any(|weight| *weight > 0.0), "weights: at least one must be above 0".to_owned());

    for (currency, rate) in &file.rates {
        let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        check(is_code, format!("rates.{}: must be a currency of three capital letters", printable(currency)));
        check(currency != "EUR", "rates.EUR: is 1 by definition and must not be listed".to_owned());
        let is_usable = rate.is_finite() && (1e-9..=1e9).contains(rate);
        check(is_usable, format!("rates.{}: must be between 1e-9 and 1e9", printable(currency)));
    }

    for code in ReasonCode::ALL {
        let text = file.reasons.get(code.as_str());
        check(text.is_some(), format!("reasons.{}: is missing", code.as_str()));
    }
    for (code, text) in &file.reasons {
        let is_known = ReasonCode::ALL.iter().any(|known| known.as_str() == code);
        check(is_known, format!("reasons.{}: is no reason code", printable(code)));
        let fits = !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT && !text.contains(char::is_control);
        check(fits, format!("reasons.{}: must have 1 to {LONGEST_TEXT} printable characters", printable(code)));
    }

    check((1..=MOST_SEGMENTS).contains(&file.segments.len()), format!("segments: must be 1 to {MOST_SEGMENTS}"));
    for (place, segment) in file.segments.iter().enumerate().take(MOST_SEGMENTS) {
        let at = format!("segments[{place}]");
        let name = &segment.name;
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        check(is_name, format!("{at}.name: must be 1 to {LONGEST_NAME} of A-Z, 0-9 and _"));
        let is_first = !file.segments.iter().take(place).any(|earlier| earlier.name == *name);
        check(is_first, format!("{at}.name: {} is there twice", printable(name)));
        for (dimension, value) in Dimensions::NAMES.iter().zip(point(&segment.centroid).to_array()) {
            check(is_share(value), format!("{at}.centroid.{dimension}: must be between 0 and 1"));
        }
        check(segment.typical_vector.len() == 8, format!("{at}.typical_vector: must have 8 numbers"));
        let are_shares = segment.typical_vector.iter().all(|component| is_share(*component));
        check(are_shares, format!("{at}.typical_vector: each number must be between 0 and 1"));
    }
    errors
}

/// A name from a file, made safe to show.
fn printable(name: &str) -> String {
    name.chars().take(LONGEST_NAME).flat_map(char::escape_debug).collect()
}
