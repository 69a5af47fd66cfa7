//! States as the arrays that a statement is given.

use uuid::Uuid;

use super::StateWrite;
use crate::store::sql::Statement;

/// What is the same of every state, a column each.
#[derive(Default)]
pub(super) struct Columns<'a> {
    users: Vec<&'a str>,
    revisions: Vec<i64>,
    said: Vec<i16>,
    erased: Vec<Option<i64>>,
    catalogs: Vec<i32>,
    jobs: Vec<Option<Uuid>>,
    states: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            users: Vec::with_capacity(count),
            revisions: Vec::with_capacity(count),
            said: Vec::with_capacity(count),
            erased: Vec::with_capacity(count),
            catalogs: Vec::with_capacity(count),
            jobs: Vec::with_capacity(count),
            states: Vec::with_capacity(count),
        }
    }

    pub(super) fn push(&mut self, write: &StateWrite<'a>) {
        self.users.push(write.user.as_str());
        self.revisions.push(write.state.revision);
        self.said.push(write.state.said);
        self.erased.push(write.state.erased_at);
        self.catalogs.push(write.state.catalog_version);
        self.jobs.push(write.state.job);
        self.states.push(&write.state.bytes);
    }

    /// About how many bytes its parameters take.
    pub(super) fn bytes(&self) -> usize {
        /// Of the five numbers of a state, and of the length of each value.
        const EACH: usize = 7 * 4 + 8 + 2 + 8 + 4 + 16;
        let texts = self.users.iter().map(|user| user.len()).sum::<usize>();
        texts + self.states.iter().map(|state| state.len() + EACH).sum::<usize>()
    }

    /// Binds seven parameters: user, revision, said, erased_at, catalog_version, job_id and state.
    pub(super) fn bind(self, statement: Statement) -> Statement {
        statement
            .bind(self.users)
            .bind(self.revisions)
            .bind(self.said)
            .bind(self.erased)
            .bind(self.catalogs)
            .bind(self.jobs)
            .bind(self.states)
    }
}
