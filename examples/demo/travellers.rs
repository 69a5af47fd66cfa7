//! Synthetic travellers: eight ways to travel, each with some variety.

use serde_json::{Value, json};

use super::random::Random;

/// A way to travel, which determines the answers given in the onboarding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    Backpacking,
    WithChildren,
    InLuxury,
    ForAdventure,
    ForCulture,
    AsCouple,
    OnBusiness,
    Retired,
}

/// The number of travellers with each habit, of twenty.
const HABITS: [(Habit, u64); 8] = [
    (Habit::Backpacking, 4),
    (Habit::WithChildren, 4),
    (Habit::ForCulture, 3),
    (Habit::ForAdventure, 3),
    (Habit::AsCouple, 2),
    (Habit::InLuxury, 1),
    (Habit::OnBusiness, 2),
    (Habit::Retired, 1),
];

impl Habit {
    pub fn any(random: &mut Random) -> Self {
        let mut place = random.below(20);
        let found = HABITS.iter().find(|(_, share)| {
            let found = place < *share;
            place = place.saturating_sub(*share);
            found
        });
        found.map_or(Self::Backpacking, |(habit, _)| *habit)
    }

    /// Every section of the preferences, as in an onboarding.
    pub fn preferences(self, random: &mut Random) -> Value {
        json!({
            "budget": self.budget(random),
            "travel": self.travel(random),
            "accommodation": self.accommodation(random),
            "activities": self.activities(random),
            "experience": {"riskTolerance": self.risk(random)},
            "climate": {"preferences": [random.pick(&["TROPICAL", "HOT", "ARID", "TEMPERATE", "COLD"])]},
            "destinations": {"regions": [random.pick(&["EUROPE", "ASIA", "AFRICA", "AMERICAS"])]},
            "transport": {"preferredAirlines": []},
        })
    }

    /// A day's budget; some are in another currency.
    pub fn budget(self, random: &mut Random) -> Value {
        let (least, greatest) = match self {
            Self::Backpacking => (25, 60),
            Self::WithChildren => (70, 150),
            Self::ForAdventure | Self::ForCulture => (90, 200),
            Self::AsCouple | Self::Retired => (130, 260),
            Self::OnBusiness => (170, 300),
            Self::InLuxury => (300, 700),
        };
        let middle = random.between(least, greatest) as f64;
        let (currency, rate) = match random.below(10) {
            0 => ("USD", 1.10),
            1 => ("GBP", 0.85),
            _ => ("EUR", 1.0),
        };
        let amount = |share: f64| (middle * share * rate).round();
        json!({"globalRange": {"min": amount(0.8), "max": amount(1.2), "currency": currency}, "flexibility": "flexible"})
    }

    pub fn travel(self, random: &mut Random) -> Value {
        let (kinds, groups): (&[&str], &[&str]) = match self {
            Self::Backpacking => (&["ADVENTURE", "NATURE", "URBAN"], &["SOLO", "SOLO", "FRIENDS"]),
            Self::WithChildren => (&["BEACH", "NATURE", "CULTURAL"], &["FAMILY"]),
            Self::InLuxury => (&["RELAXATION", "CULTURAL", "WELLNESS"], &["SOLO", "COUPLE", "SMALL_GROUP"]),
            Self::ForAdventure => (&["ADVENTURE", "MOUNTAIN", "NATURE"], &["SOLO", "FRIENDS", "SMALL_GROUP"]),
            Self::ForCulture => (&["CULTURAL", "HISTORICAL", "URBAN"], &["SOLO", "COUPLE", "SMALL_GROUP"]),
            Self::AsCouple => (&["ROMANTIC", "BEACH", "CULTURAL"], &["COUPLE"]),
            Self::OnBusiness => (&["BUSINESS"], &["SOLO"]),
            Self::Retired => (&["CULTURAL", "CRUISE", "RELAXATION"], &["COUPLE"]),
        };
        let ages: Vec<u64> = match self {
            Self::WithChildren => (0..random.between(1, 3)).map(|_| random.between(1, 16)).collect(),
            _ => Vec::new(),
        };
        json!({
            "types": [random.pick(kinds), random.pick(kinds)],
            "purposes": if self == Self::OnBusiness { ["BUSINESS"] } else { ["LEISURE"] },
            "groupTypes": [random.pick(groups)],
            "travelWithChildren": self == Self::WithChildren,
            "childrenAges": ages,
        })
    }

    pub fn accommodation(self, random: &mut Random) -> Value {
        let (kind, levels): (&str, &[&str]) = match self {
            Self::Backpacking => ("HOSTEL", &["BASIC", "BASIC", "STANDARD"]),
            Self::WithChildren => ("APARTMENT", &["STANDARD", "STANDARD", "PREMIUM"]),
            Self::ForAdventure => ("CAMPING", &["BASIC", "STANDARD"]),
            Self::ForCulture => ("HOTEL", &["STANDARD", "PREMIUM"]),
            Self::AsCouple | Self::OnBusiness => ("HOTEL", &["PREMIUM"]),
            Self::Retired => ("CRUISE", &["PREMIUM", "LUXURY"]),
            Self::InLuxury => ("RESORT", &["LUXURY"]),
        };
        json!({"types": [kind], "comfortLevel": random.pick(levels)})
    }

    pub fn activities(self, random: &mut Random) -> Value {
        let (interests, levels): (&[&str], &[&str]) = match self {
            Self::Backpacking => (&["HIKING", "OUTDOOR", "GASTRONOMY"], &["HIGH"]),
            Self::WithChildren => (&["WILDLIFE", "MUSEUMS", "OUTDOOR"], &["MODERATE"]),
            Self::ForAdventure => (&["HIKING", "OUTDOOR", "WILDLIFE"], &["HIGH", "VERY_HIGH"]),
            Self::ForCulture => (&["MUSEUMS", "ARCHITECTURE", "GASTRONOMY"], &["MODERATE"]),
            Self::AsCouple => (&["GASTRONOMY", "SHOPPING"], &["LOW", "MODERATE"]),
            Self::InLuxury | Self::OnBusiness => (&["GASTRONOMY", "SHOPPING", "ARCHITECTURE"], &["MODERATE", "LOW"]),
            Self::Retired => (&["MUSEUMS", "ARCHITECTURE"], &["LOW"]),
        };
        json!({
            "types": ["sightseeing"],
            "interests": [random.pick(interests), random.pick(interests)],
            "activityLevel": random.pick(levels),
        })
    }

    fn risk(self, random: &mut Random) -> &'static str {
        match self {
            Self::ForAdventure => "ADVENTUROUS",
            Self::Backpacking => random.pick(&["MODERATE", "ADVENTUROUS"]),
            Self::Retired | Self::WithChildren => "CONSERVATIVE",
            _ => "MODERATE",
        }
    }
}
