//! The rules by which a segment gets its reasons.

use super::catalog::{OwnReason, Segment};
use super::dimensions::Dimensions;
use super::reasons::{ReasonCode, Reasons};
use super::{Answers, has};

/// The most reasons an assignment has.
const MOST: usize = 4;

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
