//! Stored profiles to score again: after a change of the catalog, or where rows differ from the states.

use super::batch::{Batch, Work};
use super::spec::RecomputeUsers;
use super::users::Users;
use crate::domain::event::UserId;
use crate::domain::fold::JobCause;
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::jobs::Counts;
use crate::store::stored_row::differences;
use crate::store::task::Rescoring;
use crate::store::user_status::{self, Pair};

/// States by key.
pub struct Recompute {
    pub users: Users,
    pub which: RecomputeUsers,
    pub cause: JobCause,
}

impl Recompute {
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        let Some(page) = self.users.next(most).await? else { return Ok(None) };
        let chosen = match self.which {
            RecomputeUsers::Repair => self.to_repair(&page.users).await?,
            RecomputeUsers::Stale => {
                let ours = i64::from(self.users.store.catalog.version());
                let stale = |version: i32| version != 0 && i64::from(version) != ours;
                let statuses =
                    retry_until_deadline("PostgreSQL", || user_status::read(self.users.pool(), &page.users)).await?;
                statuses.into_iter().filter(|one| stale(one.catalog_version)).map(|one| one.user).collect()
            }
            RecomputeUsers::Segment(_) | RecomputeUsers::Listed | RecomputeUsers::All => page.users.clone(),
        };
        let repair = self.which == RecomputeUsers::Repair;
        let rescorings: Vec<Rescoring> = chosen
            .iter()
            .filter_map(|user| UserId::new(user))
            .map(|user| Rescoring { user, cause: self.cause, repair })
            .collect();
        let mut counts = Counts::default();
        (rescorings.len()..page.users.len()).for_each(|_| counts.skip());
        Ok(Some(page.batch(counts, Work::Rescore(rescorings), Vec::new())))
    }

    async fn to_repair(&self, users: &[String]) -> Result<Vec<String>, Halt> {
        let catalog = &self.users.store.catalog;
        let pairs = retry_until_deadline("PostgreSQL", || user_status::read_pairs(self.users.pool(), users)).await?;
        let is_wrong = |pair: &Pair| match (&pair.state, &pair.row) {
            // An unreadable state cannot be repaired; it is kept so that the fold reports it.
            (Err(_), _) => true,
            (Ok(state), Some(row)) => !differences(state, row, catalog).is_empty(),
            (Ok(state), None) => state.profile.onboarded().is_some(),
        };
        Ok(pairs.into_iter().filter(is_wrong).map(|pair| pair.user).collect())
    }
}
