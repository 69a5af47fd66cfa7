//! Users by key, for the jobs whose source is the database.

use std::sync::Arc;

use sqlx::PgPool;

use super::batch::{Batch, Failure, Work};
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::Store;
use crate::store::jobs::Counts;
use crate::store::keys::Keys;

/// The name of the one part of such a job.
pub const PART: &str = "users";

/// A walk over users.
#[derive(Debug)]
pub struct Users {
    pub store: Store,
    pub keys: Keys,
    /// The user after whom to go on.
    pub after: String,
    pub is_done: bool,
}

/// Some users, and whether they are the last.
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

    pub fn pool(&self) -> &PgPool {
        &self.store.pool
    }

    /// The next users, the last page being empty; `None` after it.
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
    /// The batch that these users make.
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
