//! The reasons for assigning a segment, as stable codes; their texts are in the catalog.

use serde::{Deserialize, Serialize};

/// A reason. Its number is stored, so it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum ReasonCode {
    BudgetMatch = 0,
    WithChildren = 1,
    AsCouple = 2,
    Solo = 3,
    ActivityMatch = 4,
    ComfortMatch = 5,
    CultureFocus = 6,
    NatureFocus = 7,
    BusinessTravel = 8,
    HostelStays = 9,
    ChildrenCount = 10,
    LuxuryStays = 11,
    RiskTaker = 12,
    RomanticStyle = 13,
}

impl ReasonCode {
    pub const ALL: [Self; 14] = [
        Self::BudgetMatch,
        Self::WithChildren,
        Self::AsCouple,
        Self::Solo,
        Self::ActivityMatch,
        Self::ComfortMatch,
        Self::CultureFocus,
        Self::NatureFocus,
        Self::BusinessTravel,
        Self::HostelStays,
        Self::ChildrenCount,
        Self::LuxuryStays,
        Self::RiskTaker,
        Self::RomanticStyle,
    ];

    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BudgetMatch => "BUDGET_MATCH",
            Self::WithChildren => "WITH_CHILDREN",
            Self::AsCouple => "AS_COUPLE",
            Self::Solo => "SOLO",
            Self::ActivityMatch => "ACTIVITY_MATCH",
            Self::ComfortMatch => "COMFORT_MATCH",
            Self::CultureFocus => "CULTURE_FOCUS",
            Self::NatureFocus => "NATURE_FOCUS",
            Self::BusinessTravel => "BUSINESS_TRAVEL",
            Self::HostelStays => "HOSTEL_STAYS",
            Self::ChildrenCount => "CHILDREN_COUNT",
            Self::LuxuryStays => "LUXURY_STAYS",
            Self::RiskTaker => "RISK_TAKER",
            Self::RomanticStyle => "ROMANTIC_STYLE",
        }
    }
}

impl From<ReasonCode> for u8 {
    fn from(code: ReasonCode) -> Self {
        code as Self
    }
}

impl TryFrom<u8> for ReasonCode {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::ALL.get(usize::from(number)).copied().ok_or_else(|| format!("no reason has the number {number}"))
    }
}

/// The reasons for a ranked segment, at most four.
pub type Reasons = Vec<ReasonCode>;
