//! Why a segment was assigned: stable codes; the texts live in the catalog.

use serde::{Deserialize, Serialize};

use super::catalog::{OwnReason, Segment};
use super::dimensions::Dimensions;
use super::{Answers, has};

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

/// The most reasons an assignment has.
const MOST: usize = 4;

/// The reasons of an assignment, at most four.
pub type Reasons = Vec<ReasonCode>;

/// The reasons for assigning `segment` to `user`, in the specified order.
pub(super) fn reasons(user: &Dimensions, facts: &Answers<'_>, segment: &Segment) -> Reasons {
    let centroid = &segment.centroid;
    let near = |one: f64, other: f64| (one - other).abs() < 0.15;
    // A level that the user did not state is a default, and a default is no reason.
    let rules = [
        near(user.budget, centroid.budget).then_some(ReasonCode::BudgetMatch),
        company(user, facts, centroid),
        (facts.activity_level.is_some() && near(user.activity, centroid.activity)).then_some(ReasonCode::ActivityMatch),
        (facts.comfort_level.is_some() && near(user.comfort, centroid.comfort)).then_some(ReasonCode::ComfortMatch),
        focus(user.style, centroid.style),
        (user.business_mix > 0.5 && segment.own_reason == Some(OwnReason::BusinessTravel))
            .then_some(ReasonCode::BusinessTravel),
        own(facts, segment),
    ];
    rules.into_iter().flatten().take(MOST).collect()
}

fn company(user: &Dimensions, facts: &Answers<'_>, centroid: &Dimensions) -> Option<ReasonCode> {
    if (user.group - centroid.group).abs() >= 0.2 {
        None
    } else if facts.travel_with_children {
        Some(ReasonCode::WithChildren)
    } else if has(facts.group_types, "COUPLE") {
        Some(ReasonCode::AsCouple)
    } else if has(facts.group_types, "SOLO") {
        Some(ReasonCode::Solo)
    } else {
        None
    }
}

fn focus(user: f64, centroid: f64) -> Option<ReasonCode> {
    if user > 0.6 && centroid > 0.6 {
        Some(ReasonCode::CultureFocus)
    } else if user < 0.4 && centroid < 0.4 {
        Some(ReasonCode::NatureFocus)
    } else {
        None
    }
}

/// The reason that only this segment has.
fn own(facts: &Answers<'_>, segment: &Segment) -> Option<ReasonCode> {
    let (code, holds) = match segment.own_reason? {
        OwnReason::HostelStays => (ReasonCode::HostelStays, has(facts.accommodation_types, "HOSTEL")),
        OwnReason::ChildrenCount => (ReasonCode::ChildrenCount, !facts.children_ages.is_empty()),
        OwnReason::LuxuryStays => (ReasonCode::LuxuryStays, facts.comfort_level == Some("LUXURY")),
        OwnReason::RiskTaker => (ReasonCode::RiskTaker, facts.is_adventurous()),
        OwnReason::RomanticStyle => {
            let is_couple = has(facts.group_types, "COUPLE");
            (ReasonCode::RomanticStyle, is_couple && facts.comfort_level != Some("BASIC"))
        }
        OwnReason::BusinessTravel => return None,
    };
    holds.then_some(code)
}
