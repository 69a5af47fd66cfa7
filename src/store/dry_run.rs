//! The dry run of a batch: the same fold, without a write.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sqlx::PgConnection;

use super::Store;
use super::error::{ErrorClass, StoreError};
use super::history::Histories;
use super::states::{self, Snapshot};
use super::task::ItemOutcome;
use super::task::{Task, UserFold, fold_user};
use crate::domain::event::{Reason, UserId};
use crate::domain::fold::{Context, Publishing};
use crate::domain::state::State;
use crate::runtime::panics::catch;

/// The assumed size of a remembered state, in bytes: registers, texts, the published ranking, and the map's own share.
const STATE_BYTES: usize = 4096;

/// A dry run of batches, one after the other.
#[derive(Debug)]
pub(crate) struct DryRun {
    store: Store,
    remembered: HashMap<UserId, Remembered>,
    most_remembered: usize,
    /// How many changes would be published, one after the other.
    pub changes: u64,
    /// Whether every batch was folded into the states that the earlier ones would have written.
    pub is_exact: bool,
}

#[derive(Debug)]
struct Remembered {
    /// The ranking that was published before the run.
    before: Vec<Box<str>>,
    state: State,
}

/// The number of users whose ranking would change, by primary segment before and after; `None` where there is none.
pub(crate) type Flow = BTreeMap<(Option<Box<str>>, Option<Box<str>>), u64>;

impl DryRun {
    /// `memory` is about how many bytes the remembered states may take. A later batch is folded into the states that an earlier
    /// one would have written.
    pub fn new(store: Store, memory: usize) -> Self {
        let most_remembered = (memory / STATE_BYTES).max(1);
        Self { store, remembered: HashMap::new(), most_remembered, changes: 0, is_exact: true }
    }

    /// The outcome that each item would have. Constraints of the database are not checked.
    ///
    /// # Errors
    /// The database is unavailable, or a newer version owns the data.
    pub async fn advance(&mut self, task: Task<'_>) -> Result<Vec<ItemOutcome>, StoreError> {
        let (folds, _) = self.store.dry_run(task, |user| Some(self.remembered.get(user)?.state.clone())).await?;
        let mut outcomes: Vec<(usize, ItemOutcome)> = Vec::with_capacity(task.len());
        for DryFold { user, prior, fold } in folds {
            self.changes += u64::from(fold.state_write().is_some_and(|write| write.change.is_some()));
            outcomes.extend(fold.outcomes);
            if let Some(write) = fold.write {
                self.remember(&user, &prior, write.state);
            }
        }
        outcomes.sort_by_key(|(index, _)| *index);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    /// The flow of users between primary segments over all batches.
    pub fn flow(&self) -> Flow {
        let mut flow = Flow::new();
        for Remembered { before, state } in self.remembered.values() {
            if !state.published_segments().eq(before.iter().map(|segment| &**segment)) {
                let after = state.published_segments().next().map(Box::from);
                *flow.entry((before.first().cloned(), after)).or_default() += 1;
            }
        }
        flow
    }

    fn remember(&mut self, user: &UserId, prior: &State, state: State) {
        if let Some(remembered) = self.remembered.get_mut(user) {
            remembered.state = state;
        } else if self.remembered.len() < self.most_remembered {
            let before = prior.published_segments().map(Box::from).collect();
            self.remembered.insert(user.clone(), Remembered { before, state });
        } else {
            self.is_exact = false;
        }
    }
}

/// One user's part of a dry run.
struct DryFold {
    user: UserId,
    prior: State,
    fold: UserFold,
}

impl Store {
    /// The outcome of each item without a write, `None` for an item that has to be written; and where it ran. Merging is idempotent and
    /// monotonic, so an item that changes nothing now changes nothing later. Of the items of a user whose fold panics, only a
    /// write finds the one that causes it.
    ///
    /// # Errors
    /// The database is unavailable, or a newer version owns the data.
    pub(crate) async fn sift(&self, task: Task<'_>) -> Result<(Vec<Option<ItemOutcome>>, Histories), StoreError> {
        let mut outcomes = vec![None; task.len()];
        let (folds, ran_in) = self.dry_run(task, |_| None).await?;
        for DryFold { fold, .. } in folds {
            if fold.write.is_none() {
                for (index, outcome) in fold.outcomes {
                    let is_unknown = matches!(&outcome, Err(rejection) if rejection.reason == Reason::Internal);
                    if let Some(slot) = outcomes.get_mut(index).filter(|_| !is_unknown) {
                        *slot = Some(outcome);
                    }
                }
            }
        }
        Ok((outcomes, ran_in))
    }

    /// Folds each user's items into the state that `remembered` gives, else into the stored one.
    async fn dry_run(
        &self,
        task: Task<'_>,
        remembered: impl Fn(&UserId) -> Option<State>,
    ) -> Result<(Vec<DryFold>, Histories), StoreError> {
        let groups = task.by_user();
        let users: Vec<&str> = groups.iter().map(|group| group.user.as_str()).collect();
        let snapshot = self.read_snapshot(&users).await?;
        let ran_in = if users.is_empty() { Histories::None } else { Histories::One(snapshot.history) };
        let catalog = Arc::clone(&self.catalog);
        let context = Context { catalog: &catalog, clock_ms: snapshot.clock_ms, publishing: Publishing::Immediate };
        let mut folds = Vec::with_capacity(groups.len());
        for (group, current) in groups.iter().zip(snapshot.users) {
            let user = group.user.clone();
            let folded = current.map_err(StoreError::from).and_then(|mut current| {
                if let Some(state) = remembered(&user) {
                    current.state = state;
                }
                let prior = current.state.clone();
                let fold = catch(|| fold_user(task, group, current, &context))??;
                Ok((prior, fold))
            });
            match folded {
                Ok((prior, fold)) => folds.push(DryFold { user, prior, fold }),
                Err(error) if error.class() == Some(ErrorClass::Permanent) => {
                    let outcomes = group.all(&Err(error.rejection()));
                    let fold = UserFold::without_write(outcomes);
                    folds.push(DryFold { user, prior: State::default(), fold });
                }
                Err(error) => return Err(error),
            }
        }
        Ok((folds, ran_in))
    }

    async fn read_snapshot(&self, users: &[&str]) -> Result<Snapshot, StoreError> {
        let read = async |connection: &mut PgConnection| {
            states::read(connection, users, self.user_check(false), &self.pool).await
        };
        self.pool.read(read).await
    }
}
