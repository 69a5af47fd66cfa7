//! An explanation as tables that a person can follow in 80 columns.

use std::io::{self, Write};

use super::Explained;
use crate::engine::{Catalog, Dimensions};

const BAR: usize = 30;
const COMPONENTS: [&str; 8] =
    ["climate", "culture, not nature", "budget", "activity", "group", "urban, not rural", "gastronomy", "popularity"];

/// Writes dimensions, all scores, the assignments with their reasons, and the vector.
pub(super) fn write(explained: &Explained, catalog: &Catalog, out: &mut impl Write) -> io::Result<()> {
    let of = &explained.segmentation;
    writeln!(out, "{}\nas of {}, catalog version {}", explained.title, explained.at, catalog.version())?;
    if of.unknown_currency {
        writeln!(out, "The budget is in a currency that the catalog does not list; it is taken as EUR.")?;
    }

    writeln!(out, "\nThe traveller, from 0 to 1")?;
    for (name, value) in Dimensions::NAMES.iter().zip(of.dimensions.to_array()) {
        writeln!(out, "  {name:<20} {value:>6.3}  {}", bar(value))?;
    }

    writeln!(out, "\nHow close each segment is, from 0 to 1")?;
    let mut scores: Vec<(&str, f64)> =
        catalog.segments().zip(&of.scores).map(|(segment, score)| (&*segment.name, *score)).collect();
    scores.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    for (name, score) in scores {
        writeln!(out, "  {name:<20} {score:>6.3}  {}", bar(score))?;
    }

    writeln!(out, "\nAssigned, best first")?;
    if of.ranking.is_empty() {
        writeln!(out, "  none: no segment is close enough")?;
    }
    for (place, assignment) in of.ranking.iter().enumerate() {
        writeln!(out, "  {}. {}  {:.3}", place + 1, catalog.segment_name(assignment.segment), assignment.score)?;
        for code in &assignment.reasons {
            writeln!(out, "     {:<16} {}", code.as_str(), catalog.reason_text(*code))?;
        }
    }

    writeln!(out, "\nFeature vector")?;
    writeln!(out, "  {:<20} {:>6}  {:>11}", "", "result", "preferences")?;
    for ((name, value), preference) in COMPONENTS.iter().zip(of.vector).zip(of.preference_vector) {
        writeln!(out, "  {name:<20} {value:>6.3}  {preference:>11.3}")?;
    }
    writeln!(
        out,
        "  The profile is {:.0} % complete, which makes a confidence of {:.2}.\n  The result is {:.0} % preferences, and \
         for the rest what is typical\n  of the first segment.",
        of.completeness,
        of.blend_confidence,
        of.preference_weight * 100.0,
    )
}

fn bar(share: f64) -> String {
    // A share is between 0 and 1.
    let full = (share * BAR as f64).round() as usize;
    format!("{}{}", "█".repeat(full.min(BAR)), "░".repeat(BAR.saturating_sub(full)))
}
