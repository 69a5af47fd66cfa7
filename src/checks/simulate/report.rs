//! The report of a simulation. Percentages are of the users that were scored.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::Catalogs;
use super::tally::{MARGIN_BIN, Primary, Tally};
use crate::domain::sample::Sample;
use crate::domain::scoring::{Catalog, Difference, RankedSegment, differences};

/// The report of a simulation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub present: CatalogName,
    pub candidate: CatalogName,
    /// The share of the stored users that was looked at.
    pub sample: String,
    /// Users that were scored.
    pub users: u64,
    pub not_onboarded: u64,
    /// States that this version cannot read.
    pub unreadable: u64,
    /// Users with another primary segment.
    pub moved: u64,
    pub moved_percent: f64,
    /// Users with other segments, or the same ones in another order: the changes that a recompute would publish.
    pub other_ranking: u64,
    pub other_ranking_percent: f64,
    pub differences: Vec<Difference>,
    /// In catalog order, users without a primary segment last.
    pub distribution: Vec<Share>,
    /// Those that move first, the greatest first; then those that stay.
    pub flows: Vec<Flow>,
    /// The dimension that adds most to the lead of the new segment, or another cause.
    pub moved_by: Vec<Cause>,
    /// Users by how much their primary segment's score is above the second best.
    pub margins: Vec<Margin>,
    pub examples: Vec<Example>,
    /// The candidate's texts of the examples' reasons.
    pub reasons: BTreeMap<&'static str, Arc<str>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CatalogName {
    pub version: u32,
    pub hash: String,
}

impl CatalogName {
    pub fn of(catalog: &Catalog) -> Self {
        Self { version: catalog.version(), hash: catalog.hash_hex() }
    }
}

/// A primary segment, with the number of its users.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Share {
    pub segment: Primary,
    pub before: u64,
    pub after: u64,
    pub before_percent: f64,
    pub after_percent: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Flow {
    pub from: Primary,
    pub to: Primary,
    pub users: u64,
    pub percent: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Cause {
    pub cause: &'static str,
    pub users: u64,
    /// Of the users who move.
    pub percent: f64,
}

/// A bin of margins, from `from` up to the next one's.
#[derive(Debug, Serialize)]
pub(crate) struct Margin {
    pub from: f64,
    pub before: u64,
    pub after: u64,
}

impl Flow {
    /// Whether the primary segment differs.
    pub fn moves(&self) -> bool {
        self.from != self.to
    }
}

/// A user who moves. Scores and reasons are those of the primary segment, with the catalog of their column.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Example {
    pub user: String,
    pub from: Primary,
    pub from_score: Option<f64>,
    pub from_reasons: Vec<&'static str>,
    pub to: Primary,
    pub to_score: Option<f64>,
    pub to_reasons: Vec<&'static str>,
    pub moved_by: &'static str,
}

impl Report {
    pub(super) fn of(tally: Tally, catalogs: Catalogs<'_>, sample: Sample) -> Self {
        let percent = |part: u64, whole: u64| if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
        let of_users = |part: u64| percent(part, tally.users);
        let mut flows: Vec<Flow> = tally
            .flows
            .iter()
            .map(|((from, to), users)| Flow {
                from: from.clone(),
                to: to.clone(),
                users: *users,
                percent: of_users(*users),
            })
            .collect();
        flows.sort_by_key(|flow| (!flow.moves(), Reverse(flow.users)));
        let share = |segment: Primary| {
            let sum =
                |is_it: &dyn Fn(&Flow) -> bool| flows.iter().filter(|flow| is_it(flow)).map(|flow| flow.users).sum();
            let (before, after) = (sum(&|flow| flow.from == segment), sum(&|flow| flow.to == segment));
            Share { segment, before, after, before_percent: of_users(before), after_percent: of_users(after) }
        };
        let distribution = segments(catalogs).into_iter().map(Some).chain([None]).map(share);
        let distribution =
            distribution.filter(|share| share.segment.is_some() || share.before + share.after > 0).collect();
        let mut moved_by: Vec<Cause> = tally
            .causes
            .iter()
            .map(|(cause, users)| Cause { cause, users: *users, percent: percent(*users, tally.moved) })
            .collect();
        moved_by.sort_by_key(|cause| Reverse(cause.users));
        let bins = (0_u32..).map(|bin| f64::from(bin) * MARGIN_BIN).zip(tally.margins);
        let ranked = tally.examples.values().flat_map(|example| example.from.iter().chain(&example.to));
        let codes = ranked.flat_map(|ranked| ranked.reasons.iter().copied());
        Self {
            present: CatalogName::of(catalogs.present),
            candidate: CatalogName::of(catalogs.candidate),
            sample: sample.to_string(),
            users: tally.users,
            not_onboarded: tally.not_onboarded,
            unreadable: tally.unreadable,
            moved: tally.moved,
            moved_percent: of_users(tally.moved),
            other_ranking: tally.other_ranking,
            other_ranking_percent: of_users(tally.other_ranking),
            differences: differences(catalogs.present, catalogs.candidate),
            reasons: codes.map(|code| (code.as_str(), catalogs.candidate.reason_text(code))).collect(),
            distribution,
            flows,
            moved_by,
            margins: bins.map(|(from, (before, after))| Margin { from, before, after }).collect(),
            examples: tally.examples.into_values().map(Example::of).collect(),
        }
    }
}

impl Report {
    /// The number of users with a primary segment, before and after.
    pub(super) fn sure(&self) -> (u64, u64) {
        self.margins.iter().fold((0, 0), |(before, after), bin| (before + bin.before, after + bin.after))
    }
}

/// The names of all segments: the candidate's, then those that only the present catalog has.
fn segments(catalogs: Catalogs<'_>) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for segment in catalogs.candidate.segments().chain(catalogs.present.segments()) {
        if !names.contains(&segment.name) {
            names.push(Arc::clone(&segment.name));
        }
    }
    names
}

impl Example {
    fn of(example: super::tally::Example) -> Self {
        let reasons = |ranked: &Option<RankedSegment>| {
            ranked.iter().flat_map(|ranked| &ranked.reasons).map(|code| code.as_str()).collect()
        };
        let (from_reasons, to_reasons) = (reasons(&example.from), reasons(&example.to));
        let (from_score, to_score) =
            (example.from.as_ref().map(|one| one.score), example.to.as_ref().map(|one| one.score));
        Self {
            user: example.user,
            from: example.from.map(|ranked| ranked.segment),
            from_score,
            from_reasons,
            to: example.to.map(|ranked| ranked.segment),
            to_score,
            to_reasons,
            moved_by: example.moved_by,
        }
    }
}
