//! The dry run of a batch: the same fold, without a write.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::PgConnection;

use super::Store;
use super::error::{ErrorClass, StoreError};
use super::history::Histories;
use super::remembered::{Remembered, RememberedUsers};
use super::states::{self, Snapshot};
use super::task::ItemOutcome;
use super::task::{Task, UserFold, fold_user};
use crate::domain::event::{Reason, UserId};
use crate::domain::fold::{Context, Publishing};
use crate::domain::state::State;
use crate::runtime::panics::catch;

/// A dry run of batches. Those that meet different users may run at the same time.
#[derive(Debug)]
pub(crate) struct DryRun {
    store: Store,
    /// `None` if each user is met once.
    remembered: Option<RememberedUsers>,
    forecast: Mutex<Forecast>,
}

/// The changes that the batches so far would make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// How many changes would be published, one after the other.
    pub changes: u64,
    /// Users whose ranking would differ in the end from the published one.
    pub flow: Flow,
}

/// The number of users whose ranking would change, by primary segment before and after; `None` where there is none.
pub(crate) type Flow = BTreeMap<(Option<Box<str>>, Option<Box<str>>), u64>;

impl DryRun {
    /// Of batches that meet each user once.
    pub fn of_distinct_users(store: Store) -> Self {
        Self { store, remembered: None, forecast: Mutex::default() }
    }

    /// Of batches that may meet a user again: each is folded into the states that the earlier ones would have written.
    ///
    /// # Errors
    /// There is no room for a temporary file.
    pub fn of_events(store: Store) -> Result<Self, StoreError> {
        Ok(Self { store, remembered: Some(RememberedUsers::new()?), forecast: Mutex::default() })
    }

    /// The outcome that each item would have. Constraints of the database are not checked.
    ///
    /// # Errors
    /// The database is unavailable, or a newer version owns the data.
    pub async fn advance(&self, task: Task<'_>) -> Result<Vec<ItemOutcome>, StoreError> {
        let users = || task.by_user().into_iter().map(|group| group.user).collect();
        let mut remembered = match &self.remembered {
            Some(remembered) => remembered.get(users()).await?,
            None => HashMap::new(),
        };
        let (folds, _) = self.store.dry_run(task, |user| Some(remembered.get(user)?.state.clone())).await?;
        let mut outcomes: Vec<(usize, ItemOutcome)> = Vec::with_capacity(task.len());
        let mut to_remember = Vec::new();
        for DryFold { user, prior, fold } in folds {
            let is_change = fold.state_write().is_some_and(|write| write.change.is_some());
            outcomes.extend(fold.outcomes);
            let Some(write) = fold.write else { continue };
            let before = match remembered.remove(&user) {
                Some(remembered) => remembered.before,
                None => prior.published_segments().map(Box::from).collect(),
            };
            self.count(is_change, &before, &prior, &write.state);
            to_remember.push((user, Remembered { before, state: write.state }));
        }
        if let Some(remembered) = &self.remembered {
            remembered.put(to_remember).await?;
        }
        outcomes.sort_by_key(|(index, _)| *index);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    /// The forecast of all batches so far.
    pub fn forecast(&self) -> Forecast {
        self.lock().clone()
    }

    /// Counts a user whom a batch would take from `prior` to `state`, and whose published ranking is `before`.
    fn count(&self, is_change: bool, before: &[Box<str>], prior: &State, state: &State) {
        let step = |state: &State| {
            let is_same = state.published_segments().eq(before.iter().map(|segment| &**segment));
            (!is_same).then(|| (before.first().cloned(), state.published_segments().next().map(Box::from)))
        };
        let mut forecast = self.lock();
        forecast.changes += u64::from(is_change);
        if let Some(earlier) = step(prior)
            && let Some(users) = forecast.flow.get_mut(&earlier)
        {
            *users -= 1;
            if *users == 0 {
                forecast.flow.remove(&earlier);
            }
        }
        if let Some(step) = step(state) {
            *forecast.flow.entry(step).or_default() += 1;
        }
    }

    /// Never left half-changed, so a poisoned lock is safe to use.
    fn lock(&self) -> MutexGuard<'_, Forecast> {
        self.forecast.lock().unwrap_or_else(PoisonError::into_inner)
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
