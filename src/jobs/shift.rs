//! The share of users that a recompute would move to another primary segment, before it starts.

use std::collections::HashSet;

use super::spec::RecomputeUsers;
use crate::domain::event::UserId;
use crate::domain::fold::{engine_input, logical_time_if_onboarded};
use crate::domain::sample::Sample;
use crate::domain::scoring::segment;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::keys::{KeyRange, Keys};
use crate::store::user_status::{Pair, read_pairs};

/// With so many users the share is right within one percentage point, 19 times in 20.
const ENOUGH: u64 = 10_000;
/// The number of states in a page.
const PAGE: usize = 2_000;

/// The users of a sample, the same at every run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shift {
    pub users: u64,
    /// Those that the recompute would move.
    pub moved: u64,
}

impl Shift {
    pub fn percent(self) -> f64 {
        if self.users == 0 { 0.0 } else { 100.0 * self.moved as f64 / self.users as f64 }
    }
}

/// Estimates the shift of a recompute of `which`, with its list of users if it has one: of all users, not of the selected.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn estimate(store: &Store, which: &RecomputeUsers, list: &[UserId]) -> Result<Shift, StoreError> {
    let list: HashSet<&str> = list.iter().map(UserId::as_str).collect();
    let sample = Sample::of_about(ENOUGH, Keys::States.count(&store.pool).await?);
    let (mut shift, mut left) = (Shift::default(), KeyRange::default());
    while let Some(page) = Keys::States.sampled_page(&store.pool, &left, sample, PAGE).await? {
        for pair in read_pairs(&store.pool, &page.users).await? {
            let Some(primary_moves) = moves(&pair, store) else { continue };
            shift.users += 1;
            shift.moved += u64::from(primary_moves && is_selected(&pair, which, &list, store));
        }
        left.after = page.last;
    }
    Ok(shift)
}

/// Whether the primary segment of the row would be another; `None` for users that are not scored. A user whose segments are
/// missing is not moved by getting them.
fn moves(pair: &Pair, store: &Store) -> Option<bool> {
    let profile = &pair.state.as_ref().ok()?.profile;
    let logical_time = logical_time_if_onboarded(profile)?;
    let Some(row) = pair.row.as_ref().filter(|row| row.segments.is_some()) else { return Some(false) };
    let scored = segment(&engine_input(profile, logical_time), &store.catalog);
    Some(row.primary_segment.as_deref() != scored.primary())
}

fn is_selected(pair: &Pair, which: &RecomputeUsers, list: &HashSet<&str>, store: &Store) -> bool {
    let scored_with = pair.state.as_ref().map_or(0, |state| state.catalog_version);
    let by_another_catalog = scored_with != 0 && scored_with != store.catalog.version();
    match which {
        RecomputeUsers::All => true,
        RecomputeUsers::Listed => list.contains(pair.user.as_str()),
        RecomputeUsers::Segment(segment) => {
            pair.row.as_ref().and_then(|row| row.primary_segment.as_ref()) == Some(segment)
        }
        // A row that is wrong under the same catalog is damaged: its repair moves no user.
        RecomputeUsers::Stale | RecomputeUsers::Repair => by_another_catalog,
    }
}
