//! The publishing phase of a job: the users whose deferred changes are to be published.

use std::sync::Arc;

use super::batch::{Batch, Work};
use super::throttle::MOST_PUBLISHED;
use crate::domain::event::UserId;
use crate::domain::fold::JobCause;
use crate::runtime::halt::Halt;
use crate::store::Store;
use crate::store::jobs::Counts;
use crate::store::states;
use crate::store::task::Rescoring;

/// The name of the part that is a job's publishing phase.
pub(crate) const PART: &str = "publishing";

/// Reads all states by key and selects those that still hold the job's id.
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
        let page = states::holders(&self.store.pool, &self.after, self.cause.id, most.min(MOST_PUBLISHED)).await?;
        self.is_done = page.last.is_none();
        if let Some(last) = page.last {
            self.after = last;
        }
        let rescorings = page.holders.iter().filter_map(|user| UserId::new(user));
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
