//! The differences between two catalogs, in words.

use serde::Serialize;

use super::catalog::{Catalog, Segment};
use super::dimensions::Dimensions;
use super::reasons::ReasonCode;
use super::vector;

/// One difference between two catalogs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// The part of the file: `version`, `minimum_score`, `weights`, …
    pub part: &'static str,
    /// A sentence; the new value stands first.
    pub change: String,
}

/// The differences between `old` and `new` in the order of the file; empty where the two score alike and show the same texts.
pub(crate) fn differences(old: &Catalog, new: &Catalog) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    found.thresholds(old, new);
    found.weights(old, new);
    found.rates(old, new);
    found.texts(old, new);
    found.segments(old, new);
    found.version(old, new);
    found.0
}

struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, part: &'static str, change: String) {
        self.0.push(Difference { part, change });
    }

    /// First in the list, and also there if the version is all that differs.
    fn version(&mut self, old: &Catalog, new: &Catalog) {
        let (before, after) = (old.version(), new.version());
        let change = match after.cmp(&before) {
            std::cmp::Ordering::Greater => format!("{after}, before {before}"),
            std::cmp::Ordering::Equal if self.0.is_empty() => return,
            std::cmp::Ordering::Equal => format!("{after} in both: raise it, or users scored before keep their scores"),
            std::cmp::Ordering::Less => {
                format!(
                    "{after}, before {before}: raise it above {before}, a user is never scored with a lower version"
                )
            }
        };
        self.0.insert(0, Difference { part: "version", change });
    }

    fn thresholds(&mut self, old: &Catalog, new: &Catalog) {
        let (before, after) = (old.minimum_score(), new.minimum_score());
        if after != before {
            let effect = if after > before { "fewer" } else { "more" };
            self.add("minimum_score", format!("{after}, before {before}: {effect} segments reach it"));
        }
        let (before, after) = (old.maximum_segments(), new.maximum_segments());
        if after != before {
            self.add("maximum_segments", format!("a user has at most {after}, before {before}"));
        }
    }

    /// A weight counts by its share of all weights.
    fn weights(&mut self, old: &Catalog, new: &Catalog) {
        let weights = old.weights().iter().zip(new.weights());
        for (name, (before, after)) in Dimensions::NAMES.into_iter().zip(weights) {
            let share = |weight: &f64, catalog: &Catalog| format!("{:.1} %", 100.0 * weight / catalog.total_weight());
            let (share_before, share_after) = (share(before, old), share(after, new));
            if before != after || share_before != share_after {
                let weight = if before == after {
                    format!("weight {after}")
                } else {
                    format!("weight {after}, before {before}")
                };
                self.add("weights", format!("{name} is {share_after} of the score, before {share_before} ({weight})"));
            }
        }
    }

    fn rates(&mut self, old: &Catalog, new: &Catalog) {
        let name = |currency: &[u8; 3]| String::from_utf8_lossy(currency).into_owned();
        for (currency, after) in new.rates() {
            let currency = name(currency);
            match old.rate(&currency) {
                None => self.add(
                    "rates",
                    format!("{currency} is added, {after} per EUR; before, its amounts were taken as EUR"),
                ),
                Some(before) if before != *after => {
                    self.add("rates", format!("{currency} is {after} per EUR, before {before}"))
                }
                Some(_) => {}
            }
        }
        for currency in old.rates().iter().map(|(currency, _)| name(currency)) {
            if new.rate(&currency).is_none() {
                self.add("rates", format!("{currency} is removed: its amounts are taken as EUR"));
            }
        }
    }

    fn texts(&mut self, old: &Catalog, new: &Catalog) {
        for code in ReasonCode::ALL {
            let (before, after) = (old.reason_text(code), new.reason_text(code));
            if before != after {
                self.add("reasons", format!("{} is \"{after}\", before \"{before}\"", code.as_str()));
            }
        }
    }

    fn segments(&mut self, old: &Catalog, new: &Catalog) {
        for (place, segment) in (1..).zip(new.segments()) {
            match old.segment_named(&segment.name) {
                None => self
                    .add("segments", format!("{} is added, place {place} of {}", segment.name, new.segments().count())),
                Some(before) => self.segment(before, segment),
            }
        }
        for gone in old.segments().filter(|segment| new.segment_named(&segment.name).is_none()) {
            self.add("segments", format!("{} is removed: its users move to other segments, or have none", gone.name));
        }
        let order = |one: &Catalog, other: &Catalog| -> Vec<String> {
            let in_both = one.segments().filter(|segment| other.segment_named(&segment.name).is_some());
            in_both.map(|segment| segment.name.to_string()).collect()
        };
        let (before, after) = (order(old, new), order(new, old));
        if before != after {
            let (before, after) = (before.join(", "), after.join(", "));
            self.add("segments", format!("of equal scores the first of {after} wins, before the first of {before}"));
        }
    }

    fn segment(&mut self, before: &Segment, after: &Segment) {
        let name = &after.name;
        let centroids = changes(&Dimensions::NAMES, &before.centroid.to_array(), &after.centroid.to_array());
        if !centroids.is_empty() {
            self.add("centroids", format!("{name}: {centroids}"));
        }
        let vectors = changes(&vector::NAMES, &before.typical_vector, &after.typical_vector);
        if !vectors.is_empty() {
            self.add("typical_vectors", format!("{name}: {vectors}"));
        }
    }
}

/// The components that differ: `budget 0.3, before 0.2; age 0.5, before 0.4`.
fn changes<const N: usize>(names: &[&str; N], before: &[f64; N], after: &[f64; N]) -> String {
    let components = names.iter().zip(before.iter().zip(after));
    let changed = components.filter(|(_, (before, after))| before != after);
    changed.map(|(name, (before, after))| format!("{name} {after}, before {before}")).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::catalog::BUILTIN;
    use super::*;

    /// The differences that the replacements in the built-in catalog make, as `part: change`.
    fn found(changes: &[(&str, &str)]) -> Vec<String> {
        let mut text = BUILTIN.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} is in the catalog");
            text = text.replacen(from, to, 1);
        }
        let (old, new) = (Catalog::builtin().unwrap(), Catalog::parse(&text).unwrap());
        let differences = differences(&old, &new).into_iter();
        differences.map(|difference| format!("{}: {}", difference.part, difference.change)).collect()
    }

    #[test]
    fn a_catalog_does_not_differ_from_itself_and_comments_are_no_difference() {
        assert_eq!(found(&[("[weights]", "# a comment\n[weights]")]), Vec::<String>::new());
        assert_eq!(found(&[("version = 1", "version = 2")]), ["version: 2, before 1"]);
    }

    #[test]
    fn each_part_that_changes_is_named_with_its_new_and_its_old_value() {
        let found = found(&[
            ("version = 1", "version = 3"),
            ("minimum_score = 0.3", "minimum_score = 0.4"),
            ("maximum_segments = 3", "maximum_segments = 2"),
            ("budget = 0.25", "budget = 0.5"),
            ("USD = 1.10", "USD = 1.2\nXXX = 2"),
            ("BRL = 6.0\n", ""),
            ("\"Travels alone\"", "\"Alone\""),
            ("name = \"LUXURY_TRAVELER\"", "name = \"LUXURY\""),
            ("centroid = { budget = 0.5, group = 0.9", "centroid = { budget = 0.6, group = 0.8"),
            ("[0.6, 0.4, 0.2", "[0.5, 0.4, 0.2"),
        ]);
        let expected = [
            "version: 3, before 1",
            "minimum_score: 0.4, before 0.3: fewer segments reach it",
            "maximum_segments: a user has at most 2, before 3",
            "weights: budget is 40.0 % of the score, before 25.0 % (weight 0.5, before 0.25)",
            "weights: group is 16.0 % of the score, before 20.0 % (weight 0.2)",
            "weights: activity is 12.0 % of the score, before 15.0 % (weight 0.15)",
            "weights: comfort is 12.0 % of the score, before 15.0 % (weight 0.15)",
            "weights: age is 8.0 % of the score, before 10.0 % (weight 0.1)",
            "weights: style is 8.0 % of the score, before 10.0 % (weight 0.1)",
            "weights: businessMix is 4.0 % of the score, before 5.0 % (weight 0.05)",
            "rates: USD is 1.2 per EUR, before 1.1",
            "rates: XXX is added, 2 per EUR; before, its amounts were taken as EUR",
            "rates: BRL is removed: its amounts are taken as EUR",
            "reasons: SOLO is \"Alone\", before \"Travels alone\"",
            "typical_vectors: BUDGET_BACKPACKER: climate 0.5, before 0.6",
            "centroids: FAMILY_EXPLORER: budget 0.6, before 0.5; group 0.8, before 0.9",
            "segments: LUXURY is added, place 3 of 8",
            "segments: LUXURY_TRAVELER is removed: its users move to other segments, or have none",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_version_that_does_not_rise_is_named() {
        let same = found(&[("maximum_segments = 3", "maximum_segments = 2")]);
        assert_eq!(same[0], "version: 1 in both: raise it, or users scored before keep their scores");
        let (old, new) = (BUILTIN.replace("version = 1", "version = 2"), BUILTIN);
        let lower = differences(&Catalog::parse(&old).unwrap(), &Catalog::parse(new).unwrap());
        assert!(lower[0].change.starts_with("1, before 2: raise it above 2"), "{lower:?}");
    }

    #[test]
    fn another_order_is_a_difference_because_equal_scores_keep_it() {
        let swapped = found(&[
            ("FAMILY_EXPLORER", "X"),
            ("LUXURY_TRAVELER", "FAMILY_EXPLORER"),
            ("\"X\"", "\"LUXURY_TRAVELER\""),
        ]);
        assert!(
            swapped
                .iter()
                .any(|change| change.starts_with("segments: of equal scores the first of BUDGET_BACKPACKER, LUXURY"))
        );
    }
}
