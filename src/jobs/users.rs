//! Pages of users by key, for the jobs that read the database.

use std::sync::Arc;

use crate::store::sql::Pool;

use super::batch::{Batch, Failure, Work};
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::Store;
use crate::store::jobs::Counts;
use crate::store::keys::Keys;

/// The name of the one part of such a job.
pub(crate) const PART: &str = "users";

/// Reads users page by page.
#[derive(Debug)]
pub struct Users {
    pub store: Store,
    pub keys: Keys,
    /// The key after which the next page starts.
    pub after: String,
    pub is_done: bool,
}

/// A page of users.
#[derive(Debug)]
pub struct Page {
    pub users: Vec<String>,
    position: String,
    done: bool,
}

impl Users {
    pub fn new(store: &Store, keys: Keys, after: &str) -> Self {
        Self { store: store.clone(), keys, after: after.to_owned(), is_done: false }
    }

    pub fn pool(&self) -> &Pool {
        &self.store.pool
    }

    /// The next page; the last one is empty, and `None` follows it.
    pub async fn next(&mut self, most: usize) -> Result<Option<Page>, Halt> {
        if self.is_done {
            return Ok(None);
        }
        let users = retry_until_deadline("PostgreSQL", || self.keys.page(&self.store.pool, &self.after, most)).await?;
        match users.last() {
            Some(last) => self.after.clone_from(last),
            None => self.is_done = true,
        }
        Ok(Some(Page { users, position: self.after.clone(), done: self.is_done }))
    }
}

impl Page {
    /// The batch of these users.
    pub fn batch(self, counts: Counts, work: Work, failures: Vec<Failure>) -> Batch {
        Batch {
            part: Arc::from(PART),
            position: self.position,
            done: self.done,
            passed: self.users.len() as u64,
            counts,
            work,
            refused: Vec::new(),
            failures,
        }
    }
}
