//! The feature vector: the user's preferences, blended with the typical vector of the primary segment.

use super::{Answers, has};
use crate::domain::section::Token;

/// The value of a component without input.
const NEUTRAL: f64 = 0.5;

/// The names of the components, in their order.
pub(super) const NAMES: [&str; 8] =
    ["climate", "culture", "budget", "activity", "group", "urban", "gastronomy", "popularity"];

/// Climate, culture, budget, activity, group, urban, gastronomy, popularity; each between 0 and 1.
pub(super) fn preferences(facts: &Answers<'_>) -> [f64; 8] {
    [
        climate(facts),
        culture(facts),
        budget(facts),
        activity(facts),
        group(facts),
        // Urban or rural: no input carries it yet.
        NEUTRAL,
        gastronomy(facts),
        popularity(facts),
    ]
}

fn climate(facts: &Answers<'_>) -> f64 {
    if facts.climates.is_empty() {
        return NEUTRAL;
    }
    let warmth = |token: &Token| match token.as_str() {
        "TROPICAL" => 1.0,
        "HOT" => 0.9,
        "ARID" => 0.85,
        "HUMID" => 0.75,
        "COLD" => 0.2,
        // Temperate and unknown alike.
        _ => 0.5,
    };
    facts.climates.iter().map(warmth).fold(0.0, |sum, warmth| sum + warmth) / facts.climates.len() as f64
}

const CULTURE_TYPES: [&str; 5] = ["CULTURAL", "HISTORICAL", "URBAN", "SHOPPING", "NIGHTLIFE"];
const CULTURE_WORDS: [&str; 5] = ["MUSEUMS", "ART", "HISTORY", "SHOPPING", "NIGHTLIFE"];
const NATURE_TYPES: [&str; 4] = ["NATURE", "BEACH", "MOUNTAIN", "ADVENTURE"];
const NATURE_WORDS: [&str; 4] = ["NATURE", "HIKING", "BEACH", "OUTDOOR"];
const FOOD_WORDS: [&str; 5] = ["FOOD", "CULINARY", "GASTRONOMY", "RESTAURANT", "COOKING"];

fn culture(facts: &Answers<'_>) -> f64 {
    if facts.travel_types.is_empty() {
        return NEUTRAL;
    }
    let counted =
        |types: &[&str]| facts.travel_types.iter().filter(|token| types.contains(&token.as_str())).count() as f64;
    let culture = counted(&CULTURE_TYPES) + 0.5 * words_inside(facts.activity_types, &CULTURE_WORDS);
    let nature = counted(&NATURE_TYPES) + 0.5 * words_inside(facts.activity_types, &NATURE_WORDS);
    if culture + nature == 0.0 { NEUTRAL } else { culture / (culture + nature) }
}

/// How many of `words` occur inside an activity type, each counted once.
fn words_inside(types: &[Token], words: &[&str]) -> f64 {
    let occurs = |word: &&&str| types.iter().any(|token| token.as_str().contains(**word));
    words.iter().filter(occurs).count() as f64
}

/// The upper end of the daily budget in EUR, piecewise linear up to 10,000.
fn budget(facts: &Answers<'_>) -> f64 {
    let Some(range) = facts.budget else { return NEUTRAL };
    let most = range.max;
    if most == 0.0 {
        NEUTRAL
    } else if most <= 1000.0 {
        0.3 * most / 1000.0
    } else if most <= 3000.0 {
        0.3 + 0.4 * (most - 1000.0) / 2000.0
    } else {
        0.7 + (0.3 * ((most - 3000.0) / 7000.0).clamp(0.0, 1.0)).min(0.3)
    }
}

fn activity(facts: &Answers<'_>) -> f64 {
    match facts.activity_level {
        Some("LOW") => 0.1,
        Some("MODERATE") => 0.4,
        Some("HIGH") => 0.7,
        Some("VERY_HIGH") => 0.95,
        _ => NEUTRAL,
    }
}

fn group(facts: &Answers<'_>) -> f64 {
    let groups = facts.group_types;
    if groups.is_empty() {
        NEUTRAL
    } else if has(groups, "SOLO") {
        0.1
    } else if has(groups, "COUPLE") {
        0.3
    } else if has(groups, "FAMILY") || facts.travel_with_children {
        0.75
    } else if has(groups, "FRIENDS") || has(groups, "BUSINESS_GROUP") {
        0.85
    } else {
        NEUTRAL
    }
}

fn gastronomy(facts: &Answers<'_>) -> f64 {
    if facts.activity_types.is_empty() {
        return NEUTRAL;
    }
    let is_food = |token: &&Token| FOOD_WORDS.iter().any(|word| token.as_str().contains(word));
    let mut taste = facts.activity_types.iter().filter(is_food).fold(0.0, |sum, _| sum + 0.2);
    if has(facts.travel_types, "CULINARY") {
        taste += 0.4;
    }
    if taste == 0.0 { 0.3 } else { f64::min(taste, 1.0) }
}

fn popularity(facts: &Answers<'_>) -> f64 {
    match facts.risk_tolerance {
        Some("CONSERVATIVE") => 0.9,
        Some("MODERATE") => 0.6,
        Some("ADVENTUROUS") => 0.2,
        _ => NEUTRAL,
    }
}

/// The weight of the user's preferences against the typical vector.
pub(super) struct Blend {
    /// 0 to 100.
    pub completeness: f64,
    /// 0.2 to 0.95.
    pub confidence: f64,
    pub preference_weight: f64,
}

impl Blend {
    pub fn new(facts: &Answers<'_>) -> Self {
        let completeness = facts.input.quality.map_or_else(|| own_count(facts), |quality| quality.completeness);
        let critical = facts.budget.is_some()
            && !facts.travel_types.is_empty()
            && !facts.group_types.is_empty()
            && facts.activity_level.is_some();
        let confidence = (completeness / 100.0 * if critical { 1.0 } else { 0.6 }).clamp(0.2, 0.95);
        let preference_weight = if confidence >= 0.7 {
            0.8
        } else if confidence >= 0.4 {
            0.6
        } else {
            0.3
        };
        Self { completeness, confidence, preference_weight }
    }

    pub fn mix(&self, preferences: &[f64; 8], typical: &[f64; 8]) -> [f64; 8] {
        let weight = self.preference_weight;
        let mut mixed = *preferences;
        for (component, typical) in mixed.iter_mut().zip(typical) {
            *component = weight * *component + (1.0 - weight) * typical;
        }
        mixed
    }
}

/// The share of eight inputs that are filled, in whole percent.
fn own_count(facts: &Answers<'_>) -> f64 {
    let filled = [
        !facts.travel_types.is_empty(),
        facts.input.destinations.is_some_and(|destinations| destinations.stated),
        facts.budget.is_some(),
        !facts.accommodation_types.is_empty(),
        !facts.airlines.is_empty(),
        !facts.activity_types.is_empty(),
        !facts.group_types.is_empty(),
        facts.comfort_level.is_some(),
    ];
    let filled = filled.iter().filter(|is_filled| **is_filled).count() as f64;
    (100.0 * filled / 8.0).round()
}
