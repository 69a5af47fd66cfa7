//! The publishing phase of a job: the users whose deferred changes are to be published.

use std::sync::Arc;

use super::batch::{Batch, Work};
use crate::domain::event::UserId;
use crate::domain::fold::JobCause;
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::Store;
use crate::store::jobs::Counts;
use crate::store::states;
use crate::store::task::Rescoring;

/// The name of the part that is a job's publishing phase.
pub(crate) const PART: &str = "publishing";

/// The users whose state holds the job's id, by key.
#[derive(Debug)]
pub struct Deferred {
    pub store: Store,
    pub cause: JobCause,
    /// The key after which the next page starts.
    pub after: String,
    pub is_done: bool,
}

impl Deferred {
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        if self.is_done {
            return Ok(None);
        }
        let read = || states::holders(&self.store.pool, &self.after, self.cause.id, most);
        let holders = retry_until_deadline("PostgreSQL", read).await?;
        match holders.last() {
            Some(last) => self.after.clone_from(last),
            None => self.is_done = true,
        }
        let rescorings = holders.iter().filter_map(|user| UserId::new(user));
        let rescorings = rescorings.map(|user| Rescoring { user, cause: self.cause, repair: false }).collect();
        Ok(Some(Batch {
            part: Arc::from(PART),
            position: self.after.clone(),
            done: self.is_done,
            passed: 0,
            counts: Counts::default(),
            work: Work::Rescore(rescorings),
            refused: Vec::new(),
            failures: Vec::new(),
        }))
    }
}
