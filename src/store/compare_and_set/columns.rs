//! States as the arrays that a statement is given.

use uuid::Uuid;

use super::StateWrite;
use crate::pipeline::codec;
use crate::pipeline::state::LastSaid;
use crate::store::sql::Statement;
use crate::store::states::{SAID_NOTHING, SAID_NULL, SAID_RANKING};

/// What is the same of every state, a column each.
#[derive(Default)]
pub(super) struct Columns<'a> {
    users: Vec<&'a str>,
    revisions: Vec<i64>,
    said: Vec<i16>,
    erased: Vec<Option<i64>>,
    catalogs: Vec<i32>,
    jobs: Vec<Option<Uuid>>,
    states: Vec<Vec<u8>>,
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
        self.said.push(match write.state.said {
            None => SAID_NOTHING,
            Some(LastSaid::Ranking(_)) => SAID_RANKING,
            Some(LastSaid::Null) => SAID_NULL,
        });
        self.erased.push(write.state.profile.erased_at().map(|time| time.0));
        self.catalogs.push(i32::try_from(write.state.catalog_version).unwrap_or(i32::MAX));
        self.jobs.push(write.state.job);
        self.states.push(codec::encode_state(&write.state.profile, write.state.said.as_ref()));
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
