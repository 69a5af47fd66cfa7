//! What would become of events, without writing: the same fold on states that are only read.

use std::collections::HashMap;

use super::Store;
use super::apply::{Ending, by_user, fold_user};
use super::error::{ErrorClass, StoreError};
use super::states::{self, Snapshot};
use crate::event::{Event, UserId};
use crate::pipeline::fold::Context;
use crate::pipeline::state::State;

/// The most users whose rehearsed states are remembered, so that a later batch meets what an earlier one would have written.
const REMEMBERED: usize = 50_000;

/// Batches of events rehearsed one after the other.
#[derive(Debug)]
pub struct Rehearsal {
    store: Store,
    remembered: HashMap<UserId, State>,
    /// How many changes would be said.
    pub changes: u64,
    /// Whether every user's later events met what the earlier ones would have written.
    pub is_exact: bool,
}

impl Rehearsal {
    pub fn new(store: Store) -> Self {
        Self { store, remembered: HashMap::new(), changes: 0, is_exact: true }
    }

    /// The ending that each event would have. What the database's own rules would refuse is not found out.
    ///
    /// # Errors
    /// The database does not answer, or a newer version owns the data.
    pub async fn advance(&mut self, events: &[Event]) -> Result<Vec<Ending>, StoreError> {
        let groups = by_user(events);
        let users: Vec<&str> = groups.iter().map(|group| group.user.as_str()).collect();
        let snapshot = self.look(&users).await?;
        let catalog = std::sync::Arc::clone(&self.store.catalog);
        let context = Context { catalog: &catalog, clock_ms: snapshot.clock_ms };
        let mut endings: Vec<(usize, Ending)> = Vec::with_capacity(events.len());
        for (group, current) in groups.iter().zip(snapshot.users) {
            let mut current = match current.map_err(StoreError::from) {
                Ok(current) => current,
                Err(error) if error.class() == Some(ErrorClass::Permanent) => {
                    endings.extend(group.all(&Ending::RejectedByDatabase(error.detail())));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(state) = self.remembered.get(&group.user) {
                current.state = state.clone();
            }
            let fold = fold_user(events, group, current, &context)?;
            self.changes += u64::from(fold.state_write().is_some_and(|(_, write)| write.change.is_some()));
            endings.extend(fold.endings);
            if let Some((_, write)) = fold.write {
                self.remember(&group.user, write.state);
            }
        }
        endings.sort_by_key(|(index, _)| *index);
        Ok(endings.into_iter().map(|(_, ending)| ending).collect())
    }

    async fn look(&self, users: &[&str]) -> Result<Snapshot, StoreError> {
        let look = async {
            let mut connection = self.store.pool.acquire().await?;
            states::look(&mut connection, users, self.store.has_users).await
        };
        let looked = tokio::time::timeout(self.store.deadline, look).await;
        Ok(looked.map_err(|_| StoreError::TimedOut(self.store.deadline))??)
    }

    fn remember(&mut self, user: &UserId, state: State) {
        if self.remembered.len() < REMEMBERED || self.remembered.contains_key(user) {
            self.remembered.insert(user.clone(), state);
        } else {
            self.is_exact = false;
        }
    }
}
