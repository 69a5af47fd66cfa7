//! The catalog: segments, weights, rates and texts. Data, not code: compiled in, replaceable by a file, versioned.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::catalog_file::{self, CatalogFile, SegmentFile};
use super::dimensions::{self, Dimensions};
use super::reasons::ReasonCode;

/// A reason specific to one segment, found by the segment's name.
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
    pub name: Arc<str>,
    pub centroid: Dimensions,
    pub typical_vector: [f64; 8],
    pub(super) own_reason: Option<OwnReason>,
}

impl Segment {
    fn from_file(file: SegmentFile) -> Self {
        let own_reason = OwnReason::of(&file.name);
        Self { name: file.name, centroid: file.centroid, typical_vector: file.typical_vector, own_reason }
    }
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
    /// Units per EUR, by currency.
    rates: Vec<([u8; 3], f64)>,
    /// In the order of [`ReasonCode::ALL`].
    reason_texts: Vec<Arc<str>>,
    segments: Vec<Segment>,
}

/// All errors of a catalog file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogErrors(pub Vec<String>);

impl fmt::Display for CatalogErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the catalog is not valid: {}", self.0.join("; "))
    }
}

impl std::error::Error for CatalogErrors {}

/// The file of the catalog compiled in.
pub(crate) const BUILTIN: &str = include_str!("catalog.toml");

impl Catalog {
    /// The catalog compiled in.
    ///
    /// # Errors
    /// `catalog.toml` was invalid when the program was built. The tests rule that out.
    pub fn builtin() -> Result<Self, CatalogErrors> {
        Self::parse(BUILTIN)
    }

    /// Reads and validates a catalog.
    ///
    /// # Errors
    /// All errors at once, each naming its place. For a text that is not TOML, that one error.
    pub fn parse(toml: &str) -> Result<Self, CatalogErrors> {
        catalog_file::read(toml).map(Self::from_file).map_err(CatalogErrors)
    }

    /// Increases with every change; a user is never scored with a lower version than before.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// SHA-256 of the catalog's content, whatever its layout and comments.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// [`hash`](Self::hash) in 64 lower-case hexadecimal digits.
    pub(crate) fn hash_hex(&self) -> String {
        self.hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The segments in catalog order, by which equal scores are ordered.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    pub(super) fn segment_named(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| &*segment.name == name)
    }

    /// The text of a reason, as travellers read it.
    pub(crate) fn reason_text(&self, code: ReasonCode) -> Arc<str> {
        self.reason_texts.get(usize::from(u8::from(code))).cloned().unwrap_or_default()
    }

    /// Units of the currency per EUR; `None` for one that is not listed.
    pub(super) fn rate(&self, currency: &str) -> Option<f64> {
        if currency == "EUR" {
            return Some(1.0);
        }
        self.rates.iter().find(|(listed, _)| listed == currency.as_bytes()).map(|(_, rate)| *rate)
    }

    /// Units per EUR, by currency.
    pub(super) fn rates(&self) -> &[([u8; 3], f64)] {
        &self.rates
    }

    /// The weights of the dimensions, in their order.
    pub(crate) fn weights(&self) -> &[f64; dimensions::COUNT] {
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

    fn from_file(file: CatalogFile) -> Self {
        let weights = file.weights.to_array();
        Self {
            version: file.version,
            hash: digest(&file),
            minimum_score: file.minimum_score,
            maximum_segments: file.maximum_segments,
            total_weight: weights.iter().fold(0.0, |sum, weight| sum + weight),
            weights,
            rates: file.rates,
            reason_texts: file.reason_texts,
            segments: file.segments.into_iter().map(Segment::from_file).collect(),
        }
    }
}

/// SHA-256 over every value in documented order: texts after their length in bytes, lists after their length, numbers as
/// the big-endian bits of a double.
fn digest(file: &CatalogFile) -> [u8; 32] {
    let mut sha = Sha256::new();
    let length = |length: usize| (length as u64).to_be_bytes();
    let numbers = |sha: &mut Sha256, numbers: &[f64]| {
        numbers.iter().for_each(|number| sha.update(number.to_bits().to_be_bytes()));
    };
    let text = |sha: &mut Sha256, text: &str| {
        sha.update(length(text.len()));
        sha.update(text);
    };
    sha.update(file.version.to_be_bytes());
    numbers(&mut sha, &[file.minimum_score]);
    sha.update(length(file.maximum_segments));
    numbers(&mut sha, &file.weights.to_array());
    sha.update(length(file.rates.len()));
    for (currency, rate) in &file.rates {
        sha.update(currency);
        numbers(&mut sha, &[*rate]);
    }
    file.reason_texts.iter().for_each(|reason| text(&mut sha, reason));
    sha.update(length(file.segments.len()));
    for segment in &file.segments {
        text(&mut sha, &segment.name);
        numbers(&mut sha, &segment.centroid.to_array());
        numbers(&mut sha, &segment.typical_vector);
    }
    sha.finalize().into()
}
