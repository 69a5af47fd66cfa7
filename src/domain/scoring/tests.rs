//! Cases that the golden ones do not cover: other currencies, unknown words, ages, edges of ranges.

use super::*;
use crate::domain::section::{BudgetRange, CalendarDate, Token};

/// 15 June 2026, 12:00 UTC.
const NOW: Millis = Millis(1_781_524_800_000);

#[derive(Debug, Clone, Default)]
pub(super) struct Traveller {
    pub budget: Option<Budget>,
    pub travel: Option<Travel>,
    pub accommodation: Option<Accommodation>,
    pub activities: Option<Activities>,
    pub experience: Option<Experience>,
    pub climate: Option<Climate>,
    pub destinations: Option<Destinations>,
    pub transport: Option<Transport>,
    pub demographics: Option<Demographics>,
    pub quality: Option<Quality>,
}

impl Traveller {
    pub fn segment(&self) -> Segmentation {
        self.segment_with(&Catalog::builtin().unwrap())
    }

    pub(crate) fn segment_with(&self, catalog: &Catalog) -> Segmentation {
        let input = Input {
            budget: self.budget.as_ref(),
            travel: self.travel.as_ref(),
            accommodation: self.accommodation.as_ref(),
            activities: self.activities.as_ref(),
            experience: self.experience.as_ref(),
            climate: self.climate.as_ref(),
            destinations: self.destinations.as_ref(),
            transport: self.transport.as_ref(),
            demographics: self.demographics.as_ref(),
            quality: self.quality.as_ref(),
            logical_time: NOW,
        };
        super::segment(&input, catalog)
    }

    fn spending(mut self, min: f64, max: f64, currency: Option<&str>) -> Self {
        let currency = currency.and_then(Token::new);
        self.budget = Some(Budget { global_range: Some(BudgetRange { min, max, currency }) });
        self
    }

    fn travelling(mut self, types: &[&str], groups: &[&str]) -> Self {
        self.travel = Some(Travel { types: tokens(types), group_types: tokens(groups), ..Travel::default() });
        self
    }

    fn staying(mut self, types: &[&str], comfort: Option<&str>) -> Self {
        let comfort_level = comfort.and_then(Token::new);
        self.accommodation = Some(Accommodation { types: tokens(types), comfort_level });
        self
    }

    fn doing(mut self, types: &[&str], interests: &[&str], level: Option<&str>) -> Self {
        let activity_level = level.and_then(Token::new);
        self.activities = Some(Activities { types: tokens(types), interests: tokens(interests), activity_level });
        self
    }

    fn risking(mut self, tolerance: &str) -> Self {
        self.experience = Some(Experience { risk_tolerance: Token::new(tolerance) });
        self
    }

    fn born(mut self, year: u16, month: u8, day: u8) -> Self {
        self.demographics = Some(Demographics { date_of_birth: CalendarDate { year, month, day } });
        self
    }
}

/// A traveller without any section.
fn blank() -> Traveller {
    Traveller::default()
}

fn tokens(words: &[&str]) -> Vec<Token> {
    words.iter().filter_map(|word| Token::new(word)).collect()
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

/// The reasons for `name`, with every segment assigned.
fn reasons_for(name: &str, traveller: &Traveller) -> Vec<ReasonCode> {
    let text = catalog::BUILTIN.replace("maximum_segments = 3", "maximum_segments = 10");
    let catalog = Catalog::parse(&text).unwrap();
    let ranking = traveller.segment_with(&catalog).ranking;
    ranking.into_iter().find(|ranked| *ranked.segment == *name).unwrap().reasons
}

#[test]
fn a_profile_without_any_section_gets_the_defaults() {
    let found = blank().segment();
    assert_eq!(found.dimensions.to_array(), [0.5, 0.3, 0.5, 0.5, 0.4, 0.5, 0.0]);
    assert_eq!(found.preference_vector, [0.5; 8]);
    assert_eq!((found.completeness, found.blend_confidence, found.preference_weight), (0.0, 0.2, 0.3));
    assert!(!found.unknown_currency);
}

#[test]
fn a_section_carried_empty_is_like_one_never_carried_but_for_destinations() {
    let empty = Traveller {
        budget: Some(Budget::default()),
        travel: Some(Travel::default()),
        accommodation: Some(Accommodation::default()),
        activities: Some(Activities::default()),
        experience: Some(Experience::default()),
        climate: Some(Climate::default()),
        destinations: Some(Destinations { stated: false }),
        transport: Some(Transport::default()),
        ..blank()
    };
    assert_eq!(empty.segment(), blank().segment());
    let stated = Traveller { destinations: Some(Destinations { stated: true }), ..empty };
    assert_eq!(stated.segment().completeness, 13.0, "12.5 is rounded up");
}

#[test]
fn the_budget_is_a_logarithmic_scale_from_20_to_500() {
    let budget = |min, max| blank().spending(min, max, None).segment().dimensions.budget;
    assert_eq!([budget(0.0, 0.0), budget(0.0, 2.0), budget(20.0, 20.0)], [0.0; 3]);
    assert_close(budget(50.0, 150.0), 0.5);
    assert_eq!([budget(500.0, 500.0), budget(0.0, 1e6), budget(f64::MAX, f64::MAX)], [1.0; 3]);
    assert!(budget(20.0, 20.1) > 0.0 && budget(499.9, 500.0) < 1.0);
}

#[test]
fn amounts_are_converted_to_eur_before_they_are_used() {
    let euros = blank().spending(50.0, 79.0, None).segment();
    let yen = blank().spending(50.0 * 160.0, 79.0 * 160.0, Some("JPY")).segment();
    assert_close(yen.dimensions.budget, euros.dimensions.budget);
    assert_close(yen.preference_vector[2], euros.preference_vector[2]);
    assert_eq!(yen.dimensions.age, euros.dimensions.age);
    assert!(!yen.unknown_currency);
    assert_close(blank().spending(0.0, 85.0, Some("usd")).segment().dimensions.age, 0.25);
    assert_close(blank().spending(0.0, 79.0, Some("GBP")).segment().dimensions.age, 0.4);
}

#[test]
fn an_unknown_currency_is_taken_as_eur_and_counted() {
    let euros = blank().spending(50.0, 70.0, Some(" eur ")).segment();
    let unknown = blank().spending(50.0, 70.0, Some("XXX")).segment();
    assert!(!euros.unknown_currency && unknown.unknown_currency);
    assert_eq!(Segmentation { unknown_currency: false, ..unknown }, euros);
}

#[test]
fn the_budget_lowers_the_age_only_below_80() {
    let age = |max| blank().spending(0.0, max, None).segment().dimensions.age;
    assert_close(age(79.99), 0.25);
    assert_close(age(0.0), 0.25);
    assert_close(age(80.0), 0.4);
}

#[test]
fn the_budget_preference_goes_through_its_knees() {
    let preference = |max| blank().spending(0.0, max, None).segment().preference_vector[2];
    let expected = [(0.0, 0.5), (500.0, 0.15), (1000.0, 0.3), (2000.0, 0.5), (3000.0, 0.7), (6500.0, 0.85)];
    for (max, value) in expected.into_iter().chain([(10_000.0, 1.0), (1e300, 1.0)]) {
        assert_close(preference(max), value);
    }
}

#[test]
fn children_come_before_every_group_type() {
    let with = |children: Option<bool>, ages: &[u8]| {
        let mut traveller = blank().travelling(&[], &["SOLO"]);
        let travel = traveller.travel.as_mut().unwrap();
        (travel.travel_with_children, travel.children_ages) = (children, ages.to_vec());
        traveller.segment().dimensions.group
    };
    assert_eq!([with(Some(true), &[]), with(Some(false), &[4]), with(None, &[0])], [0.9; 3]);
    assert_eq!([with(Some(false), &[]), with(None, &[])], [0.1; 2]);
}

#[test]
fn the_first_matching_group_rule_wins_whatever_the_order_of_the_list() {
    let group = |groups: &[&str]| blank().travelling(&[], groups).segment().dimensions.group;
    assert_eq!(group(&["GROUP", "FAMILY", "COUPLE", "SOLO"]), 0.1);
    assert_eq!(group(&["FRIENDS", "FAMILY", "COUPLE"]), 0.5);
    assert_eq!(group(&["GROUP", "FAMILY"]), 0.85);
    assert_eq!([group(&["FRIENDS"]), group(&["GROUP"])], [0.7; 2]);
    assert_eq!([group(&["BUSINESS_GROUP"]), group(&["COLLEAGUES"])], [0.3; 2]);
}

#[test]
fn the_group_preference_needs_group_types() {
    let mut alone = blank().travelling(&["BEACH"], &[]);
    alone.travel.as_mut().unwrap().travel_with_children = Some(true);
    assert_eq!(alone.segment().preference_vector[4], 0.5);
    alone.travel.as_mut().unwrap().group_types = tokens(&["CLUB"]);
    assert_eq!(alone.segment().preference_vector[4], 0.75);
    alone.travel.as_mut().unwrap().travel_with_children = None;
    assert_eq!(alone.segment().preference_vector[4], 0.5);
    let preference = |word| blank().travelling(&[], &[word]).segment().preference_vector[4];
    assert_eq!(["BUSINESS_GROUP", "FRIENDS", "GROUP"].map(preference), [0.85, 0.85, 0.5]);
}

#[test]
fn a_known_date_of_birth_takes_the_place_of_every_guess() {
    let age = |year, month, day| {
        let traveller = blank().spending(0.0, 10.0, None).staying(&["HOSTEL"], Some("luxury"));
        traveller.born(year, month, day).segment().dimensions.age
    };
    assert_close(age(1981, 6, 15), 0.5);
    assert_close(age(1981, 6, 16), 0.48);
    assert_eq!([age(2010, 1, 1), age(2030, 1, 1), age(9999, 12, 31)], [0.0; 3]);
    assert_eq!([age(1956, 6, 15), age(1900, 1, 1), age(1, 1, 1)], [1.0; 3]);
}

#[test]
fn the_guessed_age_adds_up_and_is_clamped() {
    let young = blank().spending(0.0, 10.0, None).staying(&["HOSTEL"], None).doing(&[], &[], Some("very_high"));
    assert_eq!(young.risking("adventurous").segment().dimensions.age, 0.0);
    assert_close(blank().travelling(&["CRUISE"], &[]).segment().dimensions.age, 0.65);
    assert_close(blank().staying(&["cruise"], None).segment().dimensions.age, 0.6);
    let old = blank().travelling(&["CRUISE"], &[]).staying(&["CRUISE"], Some("luxury"));
    assert_eq!(old.doing(&[], &[], Some("low")).segment().dimensions.age, 1.0);
}

#[test]
fn style_counts_a_word_once_and_keeps_travel_types_and_interests_apart() {
    let style = |types: &[&str], interests: &[&str]| {
        blank().travelling(types, &[]).doing(&[], interests, None).segment().dimensions.style
    };
    assert_close(style(&["CULTURAL", "CULTURAL"], &["MUSEUMS", "MUSEUMS"]), 0.85);
    assert_close(style(&["MUSEUMS", "HIKING", "SHOPPING"], &["CULTURAL", "ADVENTURE", "NATURE"]), 0.5);
    assert_eq!(style(&["CULTURAL"], &["MUSEUMS", "GASTRONOMY", "SHOPPING", "ARCHITECTURE"]), 1.0);
    assert_eq!(style(&["ADVENTURE", "NATURE"], &["HIKING", "OUTDOOR", "WILDLIFE"]), 0.0);
}

#[test]
fn business_as_a_type_comes_before_business_as_a_purpose_and_that_before_bleisure() {
    let mix = |types: &[&str], purposes: &[&str]| {
        let travel = Travel { types: tokens(types), purposes: tokens(purposes), ..Travel::default() };
        Traveller { travel: Some(travel), ..blank() }.segment().dimensions.business_mix
    };
    assert_eq!(mix(&["bleisure", "business"], &["business"]), 0.7);
    assert_eq!(mix(&["BLEISURE"], &["BUSINESS"]), 0.6);
    assert_eq!(mix(&["BLEISURE"], &["BLEISURE"]), 0.5);
    assert_eq!(mix(&[], &["BLEISURE"]), 0.0);
}

#[test]
fn a_default_level_is_no_reason_but_an_unknown_one_that_was_stated_is() {
    let silent = blank().doing(&["SPA"], &[], None).staying(&["HOTEL"], None);
    let unknown = blank().doing(&["SPA"], &[], Some("sporty")).staying(&["HOTEL"], Some("cosy"));
    let scores = |traveller: &Traveller| traveller.segment().scores;
    assert_eq!(scores(&silent), scores(&unknown));
    use ReasonCode::{ActivityMatch, BudgetMatch, ComfortMatch};
    assert_eq!(reasons_for("FAMILY_EXPLORER", &silent), [BudgetMatch]);
    assert_eq!(reasons_for("FAMILY_EXPLORER", &unknown), [BudgetMatch, ActivityMatch, ComfortMatch]);
}

#[test]
fn an_unknown_level_counts_as_present() {
    let traveller = |level| {
        let known = blank().spending(50.0, 100.0, None).travelling(&["BEACH"], &["SOLO"]);
        Traveller { quality: Some(Quality { completeness: 80.0 }), ..known.doing(&[], &[], level) }
    };
    assert_close(traveller(Some("sporty")).segment().blend_confidence, 0.8);
    assert_close(traveller(None).segment().blend_confidence, 0.48);
    assert_eq!(blank().staying(&[], Some("cosy")).segment().completeness, 13.0);
}

#[test]
fn a_romantic_stay_is_for_a_couple_that_does_not_ask_for_basic_comfort() {
    let is_romantic = |groups: &[&str], comfort| {
        let traveller = blank().travelling(&[], groups).staying(&[], comfort);
        reasons_for("ROMANTIC_COUPLE", &traveller).contains(&ReasonCode::RomanticStyle)
    };
    assert!(is_romantic(&["COUPLE"], None) && is_romantic(&["COUPLE"], Some("cosy")));
    assert!(!is_romantic(&["COUPLE"], Some("Basic")) && !is_romantic(&["SOLO"], None));
}

#[test]
fn reasons_end_at_four_in_the_specified_order() {
    let mut traveller = blank().spending(50.0, 50.0, None).travelling(&["ADVENTURE", "NATURE"], &["SOLO"]);
    traveller = traveller.staying(&["HOSTEL"], Some("basic")).doing(&[], &[], Some("high"));
    use ReasonCode::{ActivityMatch, AsCouple, BudgetMatch, ComfortMatch, HostelStays, Solo};
    let expected = [BudgetMatch, Solo, ActivityMatch, ComfortMatch];
    assert_eq!(reasons_for("BUDGET_BACKPACKER", &traveller.spending(30.0, 40.0, None)), expected);
    let hostels = blank().staying(&["HOSTEL"], None).travelling(&[], &["COUPLE"]);
    assert_eq!(reasons_for("BUDGET_BACKPACKER", &hostels), [HostelStays]);
    assert_eq!(reasons_for("CULTURAL_ENTHUSIAST", &hostels), [BudgetMatch, AsCouple]);
}

#[test]
fn business_travel_is_a_reason_for_one_segment_and_not_for_bleisure() {
    let types = |word| blank().travelling(&[word], &[]);
    assert!(reasons_for("BUSINESS_LEISURE", &types("BUSINESS")).contains(&ReasonCode::BusinessTravel));
    assert!(!reasons_for("LUXURY_TRAVELER", &types("BUSINESS")).contains(&ReasonCode::BusinessTravel));
    assert!(!reasons_for("BUSINESS_LEISURE", &types("BLEISURE")).contains(&ReasonCode::BusinessTravel));
}

#[test]
fn equal_scores_keep_catalog_order() {
    let catalog = Catalog::parse(&catalog_tests::same_point_catalog(5)).unwrap();
    let found = blank().segment_with(&catalog);
    let names: Vec<&str> = found.ranking.iter().map(|ranked| &*ranked.segment).collect();
    assert_eq!(names, ["SEGMENT_0", "SEGMENT_1", "SEGMENT_2"]);
    assert!(found.scores.iter().all(|score| *score == found.scores[0]));
}

#[test]
fn a_score_of_the_minimum_is_kept_and_without_any_the_vector_is_the_preference_alone() {
    let at = |minimum: &str| {
        let text = catalog_tests::same_point_catalog(1).replace("minimum_score = 0.3", minimum);
        blank().travelling(&["BEACH"], &[]).segment_with(&Catalog::parse(&text).unwrap())
    };
    let kept = at("minimum_score = 0.3");
    let exactly = at(&format!("minimum_score = {:?}", kept.scores[0]));
    assert_eq!(exactly.ranking.len(), 1);
    let none = at("minimum_score = 1");
    assert!(none.ranking.is_empty());
    assert_eq!(none.vector, none.preference_vector);
    assert_ne!(kept.vector, kept.preference_vector);
}

#[test]
fn climates_average_and_unknown_ones_count_half() {
    let mut traveller = blank();
    traveller.climate = Some(Climate { preferences: tokens(&["tropical", "COLD", "Misty", "tropical"]) });
    assert_close(traveller.segment().preference_vector[0], 0.675);
}

#[test]
fn culture_weighs_types_and_the_words_inside_activity_types() {
    let culture = |types: &[&str], activities: &[&str]| {
        blank().travelling(types, &[]).doing(activities, &[], None).segment().preference_vector[1]
    };
    assert_eq!(culture(&[], &["MUSEUMS"]), 0.5, "without travel types");
    assert_eq!(culture(&["CRUISE"], &[]), 0.5);
    assert_eq!(culture(&["URBAN", "URBAN", "BEACH", "X"], &[]), 2.0 / 3.0, "duplicates count");
    assert_eq!(culture(&["BEACH"], &["art_history", "street art"]), 0.5, "a word counts once");
    assert_eq!(culture(&["CRUISE"], &["Party"]), 1.0, "inside a word");
}

#[test]
fn gastronomy_counts_activity_types_of_food_and_is_capped() {
    let taste = |types: &[&str], activities: &[&str]| {
        blank().travelling(types, &[]).doing(activities, &[], None).segment().preference_vector[6]
    };
    assert_eq!(taste(&["CULINARY"], &[]), 0.5, "without activity types");
    assert_eq!(taste(&[], &["SPA"]), 0.3);
    assert_close(taste(&["CULINARY"], &["SPA"]), 0.4);
    assert_close(taste(&[], &["Street food cooking", "RESTAURANTS"]), 0.4);
    assert_eq!(taste(&["CULINARY"], &["FOOD"; 9]), 1.0);
}

#[test]
fn the_producers_completeness_wins_over_our_own_count() {
    let filled = blank().spending(50.0, 100.0, None).travelling(&["BEACH"], &["SOLO"]).doing(&[], &[], Some("low"));
    let at = |completeness| {
        let traveller = Traveller { quality: Some(Quality { completeness }), ..filled.clone() };
        let found = traveller.segment();
        (found.completeness, found.blend_confidence, found.preference_weight)
    };
    assert_eq!(filled.segment().completeness, 38.0);
    assert_eq!(at(0.0), (0.0, 0.2, 0.3));
    assert_eq!(at(39.0), (39.0, 0.39, 0.3));
    assert_eq!(at(40.0), (40.0, 0.4, 0.6));
    assert_eq!(at(70.0), (70.0, 0.7, 0.8));
    assert_eq!(at(100.0), (100.0, 0.95, 0.8));
}

#[test]
fn a_reason_keeps_its_number_and_its_name() {
    for (number, code) in (0_u8..).zip(ReasonCode::ALL) {
        assert_eq!((u8::from(code), ReasonCode::try_from(number)), (number, Ok(code)));
    }
    assert!(ReasonCode::try_from(14).is_err());
    let names = ReasonCode::ALL.map(ReasonCode::as_str).join(" ");
    let expected = "BUDGET_MATCH WITH_CHILDREN AS_COUPLE SOLO ACTIVITY_MATCH COMFORT_MATCH CULTURE_FOCUS NATURE_FOCUS \
                    BUSINESS_TRAVEL HOSTEL_STAYS CHILDREN_COUNT LUXURY_STAYS RISK_TAKER ROMANTIC_STYLE";
    assert_eq!(names, expected);
}
