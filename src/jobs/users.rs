//! Pages of users by key, for the jobs that read the database.

use std::sync::Arc;

use super::batch::{Batch, Failure, Work};
use crate::domain::sample::Sample;
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::Store;
use crate::store::jobs::Counts;
use crate::store::keys::{KeyRange, Keys, SampledPage};
use crate::store::sql::Pool;

/// Reads the users of one part of a job, page by page.
#[derive(Debug)]
pub struct Users {
    pub store: Store,
    pub keys: Keys,
    part: Arc<str>,
    /// The rest of the part.
    left: KeyRange,
    sample: Sample,
    is_done: bool,
}

/// A page of users.
#[derive(Debug)]
pub struct Page {
    pub users: Vec<String>,
    part: Arc<str>,
    position: String,
    /// The number of users that the page covers, those outside the sample included.
    covers: u64,
    done: bool,
}

impl Users {
    /// Those of `keys` in `left`, the rest of the part of this name; only those in the sample.
    pub fn new(store: &Store, keys: Keys, part: &str, left: KeyRange, sample: Sample) -> Self {
        Self { store: store.clone(), keys, part: part.into(), left, sample, is_done: false }
    }

    pub fn pool(&self) -> &Pool {
        &self.store.pool
    }

    /// The next page, of about `most` users; the last one is empty, and `None` follows it.
    pub async fn next(&mut self, most: usize) -> Result<Option<Page>, Halt> {
        if self.is_done {
            return Ok(None);
        }
        let read = || self.keys.sampled_page(&self.store.pool, &self.left, self.sample, most);
        let (users, covers) = match retry_until_deadline("PostgreSQL", read).await? {
            Some(SampledPage { users, last, read }) => {
                self.left.after = last;
                (users, read as u64)
            }
            None => {
                self.is_done = true;
                (Vec::new(), 0)
            }
        };
        let (part, position) = (Arc::clone(&self.part), self.left.after.clone());
        Ok(Some(Page { users, part, position, covers, done: self.is_done }))
    }
}

impl Page {
    /// The batch of these users.
    pub fn batch(self, counts: Counts, work: Work, failures: Vec<Failure>) -> Batch {
        Batch {
            part: self.part,
            position: self.position,
            done: self.done,
            passed: self.covers,
            counts,
            work,
            refused: Vec::new(),
            failures,
        }
    }
}

/// The name of a part of such a job.
pub(crate) fn part(number: usize) -> String {
    format!("users/{number}")
}
