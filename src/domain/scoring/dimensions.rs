//! The seven dimensions of a traveller, each between 0 and 1.

use time::Date;

use super::log10::log10;
use super::{Answers, has};
use crate::domain::event::Millis;
use crate::domain::section::CalendarDate;

/// How many dimensions there are.
pub const COUNT: usize = 7;

/// A traveller, or a segment's centroid, in seven dimensions, each between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dimensions {
    pub budget: f64,
    pub group: f64,
    pub activity: f64,
    pub comfort: f64,
    pub age: f64,
    /// 0 is nature, 1 is culture.
    pub style: f64,
    pub business_mix: f64,
}

impl Dimensions {
    /// The names of the dimensions in results, in the order of [`to_array`](Self::to_array).
    pub(crate) const NAMES: [&'static str; COUNT] =
        ["budget", "group", "activity", "comfort", "age", "style", "businessMix"];

    pub(crate) fn to_array(self) -> [f64; COUNT] {
        [self.budget, self.group, self.activity, self.comfort, self.age, self.style, self.business_mix]
    }
}

pub(super) fn dimensions(facts: &Answers<'_>) -> Dimensions {
    Dimensions {
        budget: budget(facts),
        group: group(facts),
        activity: activity(facts),
        comfort: comfort(facts),
        age: age(facts),
        style: style(facts),
        business_mix: business_mix(facts),
    }
}

/// The budgets, in EUR a day, at which the dimension is 0 and 1.
const LOG10_20: f64 = 1.301_029_995_663_981_3;
const LOG10_500: f64 = 2.698_970_004_336_018_7;

/// Where the mean daily budget lies between 20 and 500 EUR, on a logarithmic scale.
fn budget(facts: &Answers<'_>) -> f64 {
    let Some(range) = facts.budget else { return 0.5 };
    let average = (range.min + range.max) / 2.0;
    if average == 0.0 {
        return 0.0;
    }
    ((log10(average) - LOG10_20) / (LOG10_500 - LOG10_20)).clamp(0.0, 1.0)
}

fn group(facts: &Answers<'_>) -> f64 {
    let groups = facts.group_types;
    if facts.travel_with_children || !facts.children_ages.is_empty() {
        0.9
    } else if has(groups, "SOLO") {
        0.1
    } else if has(groups, "COUPLE") {
        0.5
    } else if has(groups, "FAMILY") {
        0.85
    } else if has(groups, "FRIENDS") || has(groups, "GROUP") {
        0.7
    } else {
        0.3
    }
}

fn activity(facts: &Answers<'_>) -> f64 {
    match facts.activity_level {
        Some("LOW") => 0.2,
        Some("HIGH") => 0.8,
        Some("VERY_HIGH") => 0.95,
        // Moderate, unknown and absent alike.
        _ => 0.5,
    }
}

fn comfort(facts: &Answers<'_>) -> f64 {
    match facts.comfort_level {
        Some("BASIC") => 0.2,
        Some("PREMIUM") => 0.75,
        Some("LUXURY") => 0.95,
        // Standard, unknown and absent alike.
        _ => 0.5,
    }
}

/// From the date of birth where it is known, else estimated from the user's travel preferences.
fn age(facts: &Answers<'_>) -> f64 {
    if let Some(demographics) = facts.input.demographics {
        let years = whole_years(demographics.date_of_birth, facts.input.logical_time);
        return ((f64::from(years) - 20.0) / 50.0).clamp(0.0, 1.0);
    }
    let mut age: f64 = 0.4;
    if facts.activity_level == Some("VERY_HIGH") {
        age -= 0.2;
    }
    if facts.budget.is_some_and(|range| range.max < 80.0) {
        age -= 0.15;
    }
    if has(facts.accommodation_types, "HOSTEL") {
        age -= 0.2;
    }
    if facts.is_adventurous() {
        age -= 0.1;
    }
    if facts.comfort_level == Some("LUXURY") {
        age += 0.15;
    }
    if facts.activity_level == Some("LOW") {
        age += 0.2;
    }
    if has(facts.travel_types, "CRUISE") {
        age += 0.25;
    }
    if has(facts.accommodation_types, "CRUISE") {
        age += 0.2;
    }
    age.clamp(0.0, 1.0)
}

/// Whole years from `born` to the UTC date of `at`. In a year without 29 February, that birthday counts from 1 March.
fn whole_years(born: CalendarDate, at: Millis) -> i32 {
    let today: Date = at.to_utc().date();
    let had_birthday = (u8::from(today.month()), today.day()) >= (born.month, born.day);
    today.year() - i32::from(born.year) - i32::from(!had_birthday)
}

fn style(facts: &Answers<'_>) -> f64 {
    let (types, interests) = (facts.travel_types, facts.interests);
    let steps = [
        (types, "CULTURAL", 0.2),
        (interests, "MUSEUMS", 0.15),
        (interests, "GASTRONOMY", 0.1),
        (interests, "SHOPPING", 0.1),
        (interests, "ARCHITECTURE", 0.1),
        (types, "ADVENTURE", -0.2),
        (types, "NATURE", -0.15),
        (interests, "HIKING", -0.15),
        (interests, "OUTDOOR", -0.15),
        (interests, "WILDLIFE", -0.1),
    ];
    let style: f64 =
        steps.iter().filter(|(tokens, word, _)| has(tokens, word)).fold(0.5, |style, (_, _, step)| style + step);
    style.clamp(0.0, 1.0)
}

fn business_mix(facts: &Answers<'_>) -> f64 {
    if has(facts.travel_types, "BUSINESS") {
        0.7
    } else if has(facts.purposes, "BUSINESS") {
        0.6
    } else if has(facts.travel_types, "BLEISURE") {
        0.5
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        let instant = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap();
        Millis(i64::try_from(instant.unix_timestamp_nanos() / 1_000_000).unwrap())
    }

    #[test]
    fn a_birthday_makes_a_year_older_on_the_day_itself_in_utc() {
        let born = CalendarDate { year: 1990, month: 5, day: 12 };
        assert_eq!(whole_years(born, at("2026-05-11T23:59:59.999Z")), 35);
        assert_eq!(whole_years(born, at("2026-05-12T00:00:00Z")), 36);
    }

    #[test]
    fn a_birthday_on_29_february_counts_from_1_march_in_other_years() {
        let born = CalendarDate { year: 2000, month: 2, day: 29 };
        assert_eq!(whole_years(born, at("2026-02-28T12:00:00Z")), 25);
        assert_eq!(whole_years(born, at("2026-03-01T00:00:00Z")), 26);
        assert_eq!(whole_years(born, at("2028-02-29T00:00:00Z")), 28);
    }

    #[test]
    fn the_ends_of_the_budget_scale_are_the_logarithms_of_20_and_500() {
        assert_eq!([log10(20.0), log10(500.0)], [LOG10_20, LOG10_500]);
    }
}
