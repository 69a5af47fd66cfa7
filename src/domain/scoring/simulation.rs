//! One profile, scored with the present catalog and with another one, and the cause where the primary segment differs.

use super::catalog::{Catalog, Segment};
use super::dimensions::{self, Dimensions};
use super::{Input, Segmentation, segment};

/// Smaller changes of a score are rounding.
const ROUNDING: f64 = 1e-12;

/// The two segmentations of one profile.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Simulation {
    pub before: Segmentation,
    pub after: Segmentation,
    /// `None` where the primary segment stays.
    pub moved_by: Option<&'static str>,
}

/// Scores one profile with `present` and with `candidate`.
pub(crate) fn simulate(input: &Input<'_>, present: &Catalog, candidate: &Catalog) -> Simulation {
    let (before, after) = (segment(input, present), segment(input, candidate));
    let moved_by = cause(&before, present, &after, candidate);
    Simulation { before, after, moved_by }
}

/// The cause of another primary segment: `segmentAdded`, `segmentRemoved`, `minimumScore`, `segmentOrder` (the two scores are
/// equal), or the dimension that adds most to the lead of the new segment over the old one.
fn cause(before: &Segmentation, present: &Catalog, after: &Segmentation, candidate: &Catalog) -> Option<&'static str> {
    let (from, to) = (before.primary(), after.primary());
    if from == to {
        return None;
    }
    let (from_before, from_after) = in_both(from, present, candidate);
    let (to_before, to_after) = in_both(to, present, candidate);
    if to.is_some() && to_before.is_none() {
        return Some("segmentAdded");
    }
    if from.is_some() && from_after.is_none() {
        return Some("segmentRemoved");
    }
    let reaches = |name, scored: &Segmentation, catalog: &Catalog| {
        scored.score_of(name, catalog) >= Some(candidate.minimum_score())
    };
    let by_minimum = match (from, to) {
        // With its earlier score the segment reaches the new minimum too, or misses it.
        (None, Some(to)) => reaches(to, before, present),
        (Some(from), None) => !reaches(from, before, present),
        _ => false,
    };
    if by_minimum {
        return Some("minimumScore");
    }
    let lead_before = lead(to_before, from_before, &before.dimensions, present);
    let lead_after = lead(to_after, from_after, &after.dimensions, candidate);
    let changes = lead_after.iter().zip(lead_before).map(|(after, before)| after - before);
    let greatest = Dimensions::NAMES.into_iter().zip(changes).max_by(|(_, one), (_, other)| one.total_cmp(other));
    Some(greatest.filter(|(_, change)| *change > ROUNDING).map_or("segmentOrder", |(name, _)| name))
}

fn in_both<'c>(name: Option<&str>, one: &'c Catalog, other: &'c Catalog) -> (Option<&'c Segment>, Option<&'c Segment>) {
    (name.and_then(|name| one.segment_named(name)), name.and_then(|name| other.segment_named(name)))
}

/// By how much the score of `first` is above that of `second`, a dimension; a segment that is absent scores 0.
fn lead(
    first: Option<&Segment>,
    second: Option<&Segment>,
    user: &Dimensions,
    catalog: &Catalog,
) -> [f64; dimensions::COUNT] {
    let mut lead = *catalog.weights();
    let user = user.to_array();
    let centroid = |segment: Option<&Segment>| segment.map_or(user, |segment| segment.centroid.to_array());
    let places = user.iter().zip(centroid(first).into_iter().zip(centroid(second)));
    for (weight, (user, (first, second))) in lead.iter_mut().zip(places) {
        *weight *= ((user - second).abs() - (user - first).abs()) / catalog.total_weight();
    }
    lead
}

impl Segmentation {
    /// The name of the primary segment.
    pub(crate) fn primary(&self) -> Option<&str> {
        self.ranking.first().map(|primary| &*primary.segment)
    }

    /// By how much the best score is above the second best of all segments, 0 to 1: how sure the primary segment is. `None`
    /// without a primary segment.
    pub(crate) fn margin(&self) -> Option<f64> {
        let primary = self.ranking.first()?;
        let mut scores = self.scores.clone();
        scores.sort_by(|one, other| other.total_cmp(one));
        Some(primary.score - scores.get(1).copied().unwrap_or(0.0))
    }

    fn score_of(&self, name: &str, catalog: &Catalog) -> Option<f64> {
        let scored = catalog.segments().zip(&self.scores);
        scored.into_iter().find(|(segment, _)| &*segment.name == name).map(|(_, score)| *score)
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::BUILTIN;
    use super::*;
    use crate::domain::event::Millis;
    use crate::domain::section::{Budget, BudgetRange, Token, Travel};

    /// The primary segments of a thrifty couple before and after the replacements in the built-in catalog, and the cause.
    fn simulated(changes: &[(&str, &str)]) -> (Option<String>, Option<String>, Option<&'static str>) {
        let text = changes.iter().fold(BUILTIN.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from} is in the catalog");
            text.replace(from, to)
        });
        let budget = Budget { global_range: Some(BudgetRange { min: 20.0, max: 60.0, currency: None }) };
        let travel = Travel { group_types: vec![Token::new("COUPLE").unwrap()], ..Travel::default() };
        let none = Input {
            budget: Some(&budget),
            travel: Some(&travel),
            accommodation: None,
            activities: None,
            experience: None,
            climate: None,
            destinations: None,
            transport: None,
            demographics: None,
            quality: None,
            logical_time: Millis(1_767_225_600_000),
        };
        let simulation = simulate(&none, &Catalog::builtin().unwrap(), &Catalog::parse(&text).unwrap());
        let name = |segmentation: &Segmentation| segmentation.primary().map(str::to_owned);
        (name(&simulation.before), name(&simulation.after), simulation.moved_by)
    }

    #[test]
    fn the_same_catalog_moves_no_user_and_each_cause_of_a_move_is_named() {
        let (primary, same, cause) = simulated(&[]);
        assert_eq!((primary.as_deref(), cause), (Some("FAMILY_EXPLORER"), None));
        assert_eq!(same, primary);
        let causes = [
            ("minimum_score = 0.3", "minimum_score = 1.0", "minimumScore"),
            ("\"FAMILY_EXPLORER\"", "\"FAMILY\"", "segmentAdded"),
            ("budget = 0.5, group = 0.9", "budget = 0.5, group = 0.0", "group"),
            ("budget = 0.25", "budget = 1.0", "budget"),
        ];
        for (from, to, expected) in causes {
            assert_eq!(simulated(&[(from, to)]).2, Some(expected), "{from} is {to}");
        }
        let without = BUILTIN.split("[[segments]]").find(|part| part.contains("FAMILY_EXPLORER")).unwrap();
        assert_eq!(simulated(&[(&format!("[[segments]]{without}"), "")]).2, Some("segmentRemoved"));
    }
}
