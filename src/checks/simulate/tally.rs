//! The counts of a simulation, and its examples. Their size depends on the catalogs, not on the number of users.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Catalogs;
use crate::domain::fold::{engine_input, logical_time_if_onboarded};
use crate::domain::sample;
use crate::domain::scoring::{RankedSegment, Segmentation, Simulation, simulate};
use crate::domain::state::State;

/// The width of a bin of margins, and how many there are; the last one has all that are wider.
pub(super) const MARGIN_BIN: f64 = 0.02;
const MARGIN_BINS: usize = 11;

/// The name of a primary segment; `None` where there is none.
pub(super) type Primary = Option<Arc<str>>;

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The number of examples to keep.
    pub limit: usize,
    pub users: u64,
    pub not_onboarded: u64,
    pub unreadable: u64,
    pub moved: u64,
    /// Users with other segments, or the same ones in another order.
    pub other_ranking: u64,
    pub flows: BTreeMap<(Primary, Primary), u64>,
    pub causes: BTreeMap<&'static str, u64>,
    /// Users by the margin of their primary segment, before and after.
    pub margins: [(u64, u64); MARGIN_BINS],
    /// By place among all users, so that they are the same at every run and any user may be one of them.
    pub examples: BTreeMap<[u8; 32], Example>,
}

/// A user who moved.
#[derive(Debug)]
pub(super) struct Example {
    pub user: String,
    pub from: Option<RankedSegment>,
    pub to: Option<RankedSegment>,
    pub moved_by: &'static str,
}

impl Tally {
    /// Counts one user; `None` is a state that cannot be read.
    pub fn add(&mut self, user: &str, state: Option<&State>, catalogs: Catalogs<'_>) {
        let Some(state) = state else {
            self.unreadable += 1;
            return;
        };
        let Some(logical_time) = logical_time_if_onboarded(&state.profile) else {
            self.not_onboarded += 1;
            return;
        };
        let input = engine_input(&state.profile, logical_time);
        let Simulation { before, after, moved_by } = simulate(&input, catalogs.present, catalogs.candidate);
        self.users += 1;
        let names =
            |segmentation: &Segmentation| segmentation.ranking.iter().map(|one| Arc::clone(&one.segment)).collect();
        let (ranked_before, ranked_after): (Vec<_>, Vec<_>) = (names(&before), names(&after));
        self.other_ranking += u64::from(ranked_before != ranked_after);
        let flow = (ranked_before.into_iter().next(), ranked_after.into_iter().next());
        *self.flows.entry(flow).or_default() += 1;
        if let Some((before, _)) = self.margin(&before) {
            *before += 1;
        }
        if let Some((_, after)) = self.margin(&after) {
            *after += 1;
        }
        let Some(moved_by) = moved_by else { return };
        self.moved += 1;
        *self.causes.entry(moved_by).or_default() += 1;
        let primary = |segmentation: Segmentation| segmentation.ranking.into_iter().next();
        let (from, to) = (primary(before), primary(after));
        self.examples.insert(sample::place(user), Example { user: user.to_owned(), from, to, moved_by });
        if self.examples.len() > self.limit {
            self.examples.pop_last();
        }
    }

    fn margin(&mut self, segmentation: &Segmentation) -> Option<&mut (u64, u64)> {
        // A cast of a float saturates.
        let bin = (segmentation.margin()? / MARGIN_BIN) as usize;
        self.margins.get_mut(bin.min(MARGIN_BINS - 1))
    }
}
