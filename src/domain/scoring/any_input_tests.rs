//! Properties of the engine that hold for every profile.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::tests::Traveller;
use super::*;
use crate::domain::section::{BudgetRange, CalendarDate, Token};

fn any_token() -> impl Strategy<Value = Token> {
    let words = "SOLO|COUPLE|FAMILY|FRIENDS|GROUP|BUSINESS|BLEISURE|CRUISE|CULTURAL|ADVENTURE|NATURE|BEACH|CULINARY|HOSTEL\
                 |MUSEUMS|HIKING|FOOD|TROPICAL|COLD|LOW|HIGH|VERY_HIGH|BASIC|LUXURY|ADVENTUROUS|[a-zß ]{1,9}";
    words.prop_filter_map("blank", |word| Token::new(&word))
}

fn any_tokens() -> impl Strategy<Value = Vec<Token>> {
    vec(any_token(), 0..6)
}

fn any_budget() -> impl Strategy<Value = Budget> {
    let amount = || prop_oneof![Just(0.0), 0.0..20_000.0, 0.0..f64::MAX, Just(f64::MIN_POSITIVE), Just(f64::MAX)];
    let currency = option::of("EUR|USD|JPY|GBP|XXX|euros");
    let range = (amount(), amount(), currency).prop_map(|(one, other, currency)| BudgetRange {
        min: one.min(other),
        max: one.max(other),
        currency: currency.as_deref().and_then(Token::new),
    });
    option::of(range).prop_map(|global_range| Budget { global_range })
}

fn any_travel() -> impl Strategy<Value = Travel> {
    let children = (any::<Option<bool>>(), vec(0_u8..=25, 0..3));
    (any_tokens(), any_tokens(), any_tokens(), children).prop_map(|(types, purposes, group_types, children)| Travel {
        types,
        purposes,
        group_types,
        travel_with_children: children.0,
        children_ages: children.1,
    })
}

prop_compose! {
    fn any_traveller()(
        budget in option::of(any_budget()),
        travel in option::of(any_travel()),
        stay in option::of((any_tokens(), option::of(any_token()))),
        activities in option::of((any_tokens(), any_tokens(), option::of(any_token()))),
        risk in option::of(option::of(any_token())),
        climate in option::of(any_tokens()),
        destinations in any::<Option<bool>>(),
        airlines in option::of(any_tokens()),
        born in option::of((0_u16..=9999, 1_u8..=12, 1_u8..=31)),
        completeness in option::of(0.0..=100.0),
    ) -> Traveller {
        Traveller {
            budget,
            travel,
            accommodation: stay.map(|(types, comfort_level)| Accommodation { types, comfort_level }),
            activities: activities
                .map(|(types, interests, activity_level)| Activities { types, interests, activity_level }),
            experience: risk.map(|risk_tolerance| Experience { risk_tolerance }),
            climate: climate.map(|preferences| Climate { preferences }),
            destinations: destinations.map(|stated| Destinations { stated }),
            transport: airlines.map(|preferred_airlines| Transport { preferred_airlines }),
            demographics: born
                .map(|(year, month, day)| Demographics { date_of_birth: CalendarDate { year, month, day } }),
            quality: completeness.map(|completeness| Quality { completeness }),
        }
    }
}

/// Every number of a result, bit for bit.
fn bits(of: &Segmentation) -> Vec<u64> {
    let numbers = of.dimensions.to_array().into_iter().chain(of.scores.iter().copied());
    let numbers = numbers.chain(of.preference_vector).chain(of.vector);
    let numbers = numbers.chain([of.completeness, of.blend_confidence, of.preference_weight]);
    numbers.chain(of.ranking.iter().map(|assignment| assignment.score)).map(f64::to_bits).collect()
}

proptest! {
    #[test]
    fn the_same_profile_gives_the_same_bits(traveller in any_traveller()) {
        let (one, other) = (traveller.segment(), traveller.segment());
        prop_assert_eq!(bits(&one), bits(&other));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn every_number_is_in_its_range(traveller in any_traveller()) {
        let found = traveller.segment();
        let shares = found.dimensions.to_array().into_iter().chain(found.scores.iter().copied());
        for share in shares.chain(found.preference_vector).chain(found.vector) {
            prop_assert!((0.0..=1.0).contains(&share), "{} in {:?}", share, found);
        }
        prop_assert!((0.0..=100.0).contains(&found.completeness));
        prop_assert!((0.2..=0.95).contains(&found.blend_confidence));
    }

    #[test]
    fn the_ranking_is_the_best_scores_in_order_with_at_most_four_reasons_each(traveller in any_traveller()) {
        let catalog = Catalog::builtin().unwrap();
        let found = traveller.segment_with(&catalog);
        let names = catalog.segments().map(|segment| &*segment.name);
        let mut expected: Vec<(&str, f64)> = names.zip(found.scores.iter().copied()).collect();
        expected.retain(|(_, score)| *score >= 0.3);
        expected.sort_by(|one, other| other.1.total_cmp(&one.1));
        expected.truncate(3);
        let ranking: Vec<_> = found.ranking.iter().map(|ranked| (&*ranked.segment, ranked.score)).collect();
        prop_assert_eq!(ranking, expected);
        prop_assert!(found.ranking.iter().all(|ranked| ranked.reasons.len() <= 4));
    }
}
