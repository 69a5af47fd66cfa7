//! The items of a batch, grouped by user, and the fold of one user's items.

use super::error::StoreError;
use super::states::Current;
use crate::domain::event::{Body, Event, Rejection, UserId};
use crate::domain::fold::{self, Context, Fold, JobCause, TopicRecord, Write};
use crate::domain::profile::Outcome;
use crate::domain::ranking_change::RankingChange;
use crate::runtime::fault::panic_point;

/// The outcome of one item, or the reason for its dead letter.
pub type ItemOutcome = Result<Outcome, Rejection>;

/// The work of a batch; each item has an outcome.
#[derive(Debug, Clone, Copy)]
pub enum Task<'e> {
    /// Merge these events, and score the users that they change.
    Merge(&'e [Event]),
    /// Score these users anew.
    Rescore(&'e [Rescoring]),
    /// Publish these users above the revision that the topic has of them.
    PublishAbove(&'e [PublishAbove]),
}

/// A user that segment-changed is ahead of. The outcome is applied if a write follows, else unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishAbove {
    pub user: UserId,
    pub ahead: TopicRecord,
    /// The cause that a resulting ranking change carries.
    pub cause: JobCause,
}

/// A user to score anew. The outcome is applied if a write follows, else unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescoring {
    pub user: UserId,
    /// The cause that a resulting ranking change carries.
    pub cause: JobCause,
    /// Write the row even if the state stays as it is: row and state differ.
    pub repair: bool,
}

/// A user with the indexes of the user's items.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) user: UserId,
    pub(super) items: Vec<usize>,
    /// Whether an earlier write of these failed: a conflict, or the user was deleted.
    pub(super) lost: bool,
    /// Whether the erasure of the user, who was not in `users`, is committed. The user may have been created meanwhile, with a
    /// first state that was read before that commit, so the group is folded once more.
    pub(super) erased: bool,
}

impl<'e> Task<'e> {
    pub fn len(self) -> usize {
        match self {
            Self::Merge(events) => events.len(),
            Self::Rescore(rescorings) => rescorings.len(),
            Self::PublishAbove(users) => users.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The user of the item at `index`.
    pub fn user(self, index: usize) -> Option<&'e UserId> {
        match self {
            Self::Merge(events) => events.get(index).map(|event| &event.user),
            Self::Rescore(rescorings) => rescorings.get(index).map(|rescoring| &rescoring.user),
            Self::PublishAbove(users) => users.get(index).map(|one| &one.user),
        }
    }

    /// Whether the item at `index` is the event with this id.
    fn is_of_event(self, index: usize, id: &str) -> bool {
        matches!(self, Self::Merge(events) if events.get(index).is_some_and(|event| *event.stamp.id == *id))
    }

    /// The users of the items, in bytewise order.
    pub(super) fn by_user(self) -> Vec<Group> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|one, other| self.user(*one).cmp(&self.user(*other)));
        order
            .chunk_by(|one, other| self.user(*one) == self.user(*other))
            .filter_map(|group| {
                let user = self.user(*group.first()?)?.clone();
                Some(Group { user, items: group.into(), lost: false, erased: false })
            })
            .collect()
    }
}

/// The result of folding one user's items.
pub(super) struct UserFold {
    pub(super) outcomes: Vec<(usize, ItemOutcome)>,
    /// The write over the state that was read.
    pub(super) write: Option<Write>,
    /// The counter of the version that was read.
    pub(super) over: Option<i64>,
    /// Whether the user may have no row yet (see [`Current::may_lack_a_row`]).
    pub(super) may_insert: bool,
    /// The user is not in `users`: the erasure is kept, and no state.
    pub(super) is_of_deleted_user: bool,
}

impl Group {
    /// The same outcome for every item of the user.
    pub(super) fn all(&self, outcome: &ItemOutcome) -> Vec<(usize, ItemOutcome)> {
        self.items.iter().map(|index| (*index, outcome.clone())).collect()
    }
}

impl UserFold {
    pub(super) fn without_write(outcomes: Vec<(usize, ItemOutcome)>) -> Self {
        Self { outcomes, write: None, over: None, may_insert: false, is_of_deleted_user: false }
    }

    pub(super) fn change(&self) -> Option<&RankingChange> {
        self.write.as_ref()?.change.as_ref()
    }

    /// The write to the state table; `None` for a user that may not have a state.
    pub(super) fn state_write(&self) -> Option<&Write> {
        self.write.as_ref().filter(|_| !self.is_of_deleted_user)
    }
}

pub(super) fn fold_user(
    task: Task<'_>,
    group: &Group,
    current: Current,
    context: &Context<'_>,
) -> Result<UserFold, StoreError> {
    panic_point("panic-in-fold", |id| group.items.iter().any(|index| task.is_of_event(*index, id)));
    match task {
        Task::Merge(events) => merge(events, group, current, context),
        Task::Rescore(rescorings) => rescore(rescorings, group, current, context),
        Task::PublishAbove(users) => publish_above(users, group, current, context),
    }
}

fn merge(events: &[Event], group: &Group, current: Current, context: &Context<'_>) -> Result<UserFold, StoreError> {
    // Of a user that is not in `users`, only erasures are accepted.
    let (accepted, refused): (Vec<usize>, Vec<usize>) = group
        .items
        .iter()
        .copied()
        .partition(|index| current.known || events.get(*index).is_some_and(|event| event.body == Body::Tombstone));
    let (may_insert, over) = (current.may_lack_a_row(), current.counter);
    let taken: Vec<&Event> = accepted.iter().filter_map(|index| events.get(*index)).collect();
    let erased_before = current.is_deleted_user_again().then(|| current.state.clone());
    let Fold { mut outcomes, mut write } = fold::fold(&group.user, current.state, &taken, context)?;
    let mut repeats_erasure = false;
    for (event, outcome) in taken.iter().zip(&mut outcomes) {
        if event.body == Body::Tombstone && *outcome == Outcome::Unchanged {
            repeats_erasure = true;
            if group.erased {
                *outcome = Outcome::Applied;
            }
        }
    }
    if let Some(prior) = erased_before.filter(|_| repeats_erasure && write.is_none()) {
        write = Some(fold::store_erasure(&group.user, prior, context));
    }
    // The erasure of a user that is still not in `users` is committed.
    let write = write.filter(|_| current.known || !group.erased);
    let merged = accepted.into_iter().zip(outcomes).map(|(index, outcome)| (index, Ok(outcome)));
    let unknown = refused.into_iter().map(|index| (index, Err(Rejection::unknown_user())));
    let is_of_deleted_user = !current.known && write.is_some();
    Ok(UserFold { outcomes: merged.chain(unknown).collect(), write, over, may_insert, is_of_deleted_user })
}

fn rescore(
    rescorings: &[Rescoring],
    group: &Group,
    current: Current,
    context: &Context<'_>,
) -> Result<UserFold, StoreError> {
    let rescoring = group.items.first().and_then(|index| rescorings.get(*index));
    let Some(rescoring) = rescoring.filter(|_| current.known) else {
        return Ok(UserFold::without_write(group.all(&Err(Rejection::unknown_user()))));
    };
    let write = fold::rescore(&group.user, current.state.clone(), rescoring.cause, context)?
        .filter(|write| rescoring.repair || write.state != current.state);
    let outcome = if write.is_some() { Outcome::Applied } else { Outcome::Unchanged };
    Ok(UserFold {
        outcomes: group.all(&Ok(outcome)),
        write,
        may_insert: current.may_lack_a_row(),
        over: current.counter,
        is_of_deleted_user: false,
    })
}

fn publish_above(
    users: &[PublishAbove],
    group: &Group,
    current: Current,
    context: &Context<'_>,
) -> Result<UserFold, StoreError> {
    let Some(PublishAbove { ahead, cause, .. }) = group.items.first().and_then(|index| users.get(*index)) else {
        return Ok(UserFold::without_write(Vec::new()));
    };
    let (known, may_insert, over) = (current.known, current.may_lack_a_row(), current.counter);
    let write = if group.erased {
        // Committed; only a first state that is written at the same time has to meet it.
        current.is_deleted_user_again().then(|| fold::store_erasure(&group.user, current.state, context))
    } else {
        fold::publish_above(&group.user, current.state, *ahead, *cause, context)?
    };
    let outcome = if write.is_some() || group.erased { Outcome::Applied } else { Outcome::Unchanged };
    let is_of_deleted_user = !known && write.is_some();
    Ok(UserFold { outcomes: group.all(&Ok(outcome)), write, over, may_insert, is_of_deleted_user })
}
