//! The content of each section of a profile: the fields of an event that are kept, and no others.
//!
//! The decoders have validated and normalised the values, and dropped unknown fields.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// A producer's word for a kind of travel, an interest, a level…: trimmed, upper-cased, never blank, without NUL.
///
/// Unknown words are kept: the engine ignores them, a later catalog may not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(CompactString);

impl Token {
    /// Trims and upper-cases `raw`. `None` when nothing is left of it or when it contains NUL, which PostgreSQL cannot store.
    pub fn new(raw: &str) -> Option<Self> {
        let trimmed = raw.trim();
        if trimmed.is_empty() || trimmed.contains('\0') {
            return None;
        }
        let mut word = CompactString::from(trimmed);
        if word.is_ascii() {
            word.make_ascii_uppercase();
        } else {
            word = word.to_uppercase();
        }
        Some(Self(word))
    }

    /// The normalised word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Money a day, as stated: `0 ≤ min ≤ max`, both finite, in `currency` (an ISO code; absent means EUR).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetRange {
    pub min: f64,
    pub max: f64,
    pub currency: Option<Token>,
}

/// Section `budget`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    pub global_range: Option<BudgetRange>,
}

/// Section `travel`. Ages are whole years, 0 to 25.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Travel {
    pub types: Vec<Token>,
    pub purposes: Vec<Token>,
    pub group_types: Vec<Token>,
    pub travel_with_children: Option<bool>,
    pub children_ages: Vec<u8>,
}

/// Section `accommodation`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accommodation {
    pub types: Vec<Token>,
    pub comfort_level: Option<Token>,
}

/// Section `activities`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activities {
    pub types: Vec<Token>,
    pub interests: Vec<Token>,
    pub activity_level: Option<Token>,
}

/// Section `experience`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Experience {
    pub risk_tolerance: Option<Token>,
}

/// Section `climate`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Climate {
    pub preferences: Vec<Token>,
}

/// Section `destinations`. Only its presence counts; a backfilled NULL is written as not stated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Destinations {
    pub stated: bool,
}

/// Section `transport`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transport {
    pub preferred_airlines: Vec<Token>,
}

/// A calendar date without a time zone, as the user wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CalendarDate {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// Section `demographics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Demographics {
    pub date_of_birth: CalendarDate,
}

/// Section `quality`: the producer's own measure of completeness, 0 to 100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub completeness: f64,
}

/// One section with its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Section {
    Budget(Budget),
    Travel(Travel),
    Accommodation(Accommodation),
    Activities(Activities),
    Experience(Experience),
    Climate(Climate),
    Destinations(Destinations),
    Transport(Transport),
    Demographics(Demographics),
    Quality(Quality),
}

/// The kind of a section. Its number is its place in the documented order and in stored states, so it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionKind {
    Budget = 0,
    Travel = 1,
    Accommodation = 2,
    Activities = 3,
    Experience = 4,
    Climate = 5,
    Destinations = 6,
    Transport = 7,
    Demographics = 8,
    Quality = 9,
}

impl SectionKind {
    /// All, in their order.
    pub const ALL: [Self; 10] = [
        Self::Budget,
        Self::Travel,
        Self::Accommodation,
        Self::Activities,
        Self::Experience,
        Self::Climate,
        Self::Destinations,
        Self::Transport,
        Self::Demographics,
        Self::Quality,
    ];
    pub const COUNT: usize = Self::ALL.len();

    /// The section's name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Travel => "travel",
            Self::Accommodation => "accommodation",
            Self::Activities => "activities",
            Self::Experience => "experience",
            Self::Climate => "climate",
            Self::Destinations => "destinations",
            Self::Transport => "transport",
            Self::Demographics => "demographics",
            Self::Quality => "quality",
        }
    }
}

impl Section {
    pub fn kind(&self) -> SectionKind {
        match self {
            Self::Budget(_) => SectionKind::Budget,
            Self::Travel(_) => SectionKind::Travel,
            Self::Accommodation(_) => SectionKind::Accommodation,
            Self::Activities(_) => SectionKind::Activities,
            Self::Experience(_) => SectionKind::Experience,
            Self::Climate(_) => SectionKind::Climate,
            Self::Destinations(_) => SectionKind::Destinations,
            Self::Transport(_) => SectionKind::Transport,
            Self::Demographics(_) => SectionKind::Demographics,
            Self::Quality(_) => SectionKind::Quality,
        }
    }
}
