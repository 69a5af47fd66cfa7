//! Applying events: read, fold, compare-and-set, upsert, outbox, all in one transaction, until every event has an end.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

use super::Store;
use super::error::{ErrorClass, StoreError};
use super::outbox::{self, Content, Publication};
use super::states::{self, Current, Snapshot, StateWrite};
use super::user_vectors::{self, RowIds};
use crate::event::{Body, Event, Millis, Reason, Rejection, UserId};
use crate::fault::fault_point;
use crate::pipeline::change::Change;
use crate::pipeline::fold::{self, Context, Fold, RowWrite, Write};
use crate::profile::Outcome;

/// The end of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Merged(Outcome),
    /// The platform does not know the user.
    UnknownUser,
    /// The database will never take it; the text names code and constraint.
    RejectedByDatabase(String),
}

impl Ending {
    /// What the event did, or why it is a dead letter.
    pub fn into_outcome(self) -> Result<Outcome, Rejection> {
        match self {
            Self::Merged(outcome) => Ok(outcome),
            Self::UnknownUser => Err(Rejection::new(Reason::UnknownUser, "there is no such row in users")),
            Self::RejectedByDatabase(detail) => Err(Rejection::new(Reason::RejectedByDatabase, detail)),
        }
    }
}

/// Numbers about the work done, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Users whose compare-and-set was lost to another process and folded again.
    pub conflicts: u64,
    /// Transactions tried again at once, after a deadlock or the like.
    pub retries: u64,
    pub unknown_currencies: u64,
    /// How long a connection was waited for.
    pub connecting: Duration,
    /// How long transactions took, failed ones included.
    pub transactions: Duration,
}

/// A batch on its way into the database. Keeps what is done across outages, so that nothing is lost or done in vain.
#[derive(Debug)]
pub struct Progress<'e> {
    events: &'e [Event],
    endings: Vec<Option<Ending>>,
    /// Chunks that are still to be written, the last one first.
    open: Vec<Chunk>,
    /// What has been committed to the outbox and not been taken away by the caller yet.
    pub publications: Vec<Publication>,
    pub tally: Tally,
}

/// Users with the indexes of their events, in bytewise order of the users.
type Chunk = Vec<Group>;

/// A user with the indexes of the user's events.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) user: UserId,
    events: Vec<usize>,
}

/// The users of a batch, in bytewise order.
pub(super) fn by_user(events: &[Event]) -> Vec<Group> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    let user = |index: &usize| events.get(*index).map(|event| &event.user);
    order.sort_by(|one, other| user(one).cmp(&user(other)));
    order
        .chunk_by(|one, other| user(one) == user(other))
        .filter_map(|group| {
            let user = user(group.first()?)?.clone();
            Some(Group { user, events: group.to_vec() })
        })
        .collect()
}

/// What one transaction did.
struct Committed {
    endings: Vec<(usize, Ending)>,
    losers: Chunk,
    publication: Option<Publication>,
    unknown_currencies: u64,
}

impl<'e> Progress<'e> {
    /// A batch of which nothing has been written.
    pub fn new(events: &'e [Event]) -> Self {
        let chunk = by_user(events);
        let open = if chunk.is_empty() { Vec::new() } else { vec![chunk] };
        let endings = vec![None; events.len()];
        Self { events, endings, open, publications: Vec::new(), tally: Tally::default() }
    }

    /// The ending of each event, once [`Store::advance`] has succeeded.
    pub fn into_endings(self) -> impl Iterator<Item = Ending> {
        // After success every chunk is closed, and closing a chunk ends each of its events.
        self.endings.into_iter().flatten()
    }

    fn end(&mut self, index: usize, ending: Ending) {
        if let Some(slot) = self.endings.get_mut(index) {
            *slot = Some(ending);
        }
    }
}

/// How often a transaction is tried again at once before the caller is asked to wait.
const IMMEDIATE_RETRIES: u32 = 5;

impl Store {
    /// Writes what is open of `progress`. On an error the rest stays open: wait, and call again.
    pub async fn advance(&self, progress: &mut Progress<'_>) -> Result<(), StoreError> {
        let mut retries = 0;
        let mut row_ids = RowIds::Derived;
        while let Some(chunk) = progress.open.pop() {
            match self.write_within_deadline(progress.events, &chunk, row_ids, &mut progress.tally).await {
                Ok(committed) => {
                    retries = 0;
                    row_ids = RowIds::Derived;
                    progress.tally.unknown_currencies += committed.unknown_currencies;
                    progress.tally.conflicts += committed.losers.len() as u64;
                    progress.publications.extend(committed.publication);
                    for (index, ending) in committed.endings {
                        progress.end(index, ending);
                    }
                    if !committed.losers.is_empty() {
                        progress.open.push(committed.losers);
                    }
                }
                Err(error) => match error.class() {
                    Some(ErrorClass::RowIdTaken) if row_ids == RowIds::Derived => {
                        row_ids = RowIds::Random;
                        progress.open.push(chunk);
                    }
                    Some(ErrorClass::Conflict | ErrorClass::ForeignKey) if retries < IMMEDIATE_RETRIES => {
                        retries += 1;
                        progress.tally.retries += 1;
                        progress.open.push(chunk);
                    }
                    Some(ErrorClass::Permanent | ErrorClass::ForeignKey) => isolate(progress, chunk, &error),
                    _ => {
                        progress.open.push(chunk);
                        return Err(error);
                    }
                },
            }
        }
        Ok(())
    }

    /// Runs one transaction. A connection that failed or did not answer is not used again.
    async fn write_within_deadline(
        &self,
        events: &[Event],
        chunk: &Chunk,
        row_ids: RowIds,
        tally: &mut Tally,
    ) -> Result<Committed, StoreError> {
        let asked = Instant::now();
        let acquired = self.pool.acquire().await;
        tally.connecting += asked.elapsed();
        let mut connection = acquired?;
        let begun = Instant::now();
        let written = tokio::time::timeout(self.deadline, self.write(&mut connection, events, chunk, row_ids)).await;
        tally.transactions += begun.elapsed();
        let result = written.unwrap_or(Err(StoreError::TimedOut(self.deadline)));
        if matches!(result.as_ref().map_err(StoreError::class), Err(Some(ErrorClass::Outage))) {
            drop(connection.detach());
        }
        result
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        events: &[Event],
        chunk: &Chunk,
        row_ids: RowIds,
    ) -> Result<Committed, StoreError> {
        let mut transaction = connection.begin().await?;
        let users: Vec<&str> = chunk.iter().map(|group| group.user.as_str()).collect();
        let snapshot = states::read(&mut transaction, &users, self.has_users).await?;
        let folds = self.fold(events, chunk, snapshot)?;
        let committed = self.write_folds(&mut transaction, chunk, folds, row_ids).await?;
        fault_point!("before-commit");
        transaction.commit().await?;
        fault_point!("after-commit");
        Ok(committed)
    }

    fn fold(&self, events: &[Event], chunk: &Chunk, snapshot: Snapshot) -> Result<Vec<UserFold>, StoreError> {
        let context = Context { catalog: &self.catalog, clock_ms: snapshot.clock_ms };
        chunk.iter().zip(snapshot.users).map(|(group, current)| fold_user(events, group, current?, &context)).collect()
    }

    async fn write_folds(
        &self,
        connection: &mut PgConnection,
        chunk: &Chunk,
        folds: Vec<UserFold>,
        row_ids: RowIds,
    ) -> Result<Committed, StoreError> {
        let won = compare_and_set(connection, chunk, &folds).await?;
        let is_loser = |(group, user_fold): &(&Group, &UserFold)| {
            user_fold.state_write().is_some() && !won.contains(group.user.as_str())
        };
        let pairs = || chunk.iter().zip(&folds);
        let winners: Vec<(&Group, &UserFold)> = pairs().filter(|pair| !is_loser(pair)).collect();
        let losers = pairs().filter(is_loser).map(|(group, _)| group.clone()).collect();

        write_rows(connection, &winners, row_ids).await?;
        let erasures: Vec<(&UserId, Millis)> =
            winners.iter().filter_map(|(group, fold)| Some((&group.user, fold.departed_erasure?))).collect();
        if !erasures.is_empty() {
            states::erase_departed(connection, &erasures).await?;
        }
        let changes: Vec<Change> =
            winners.iter().filter_map(|(_, fold)| fold.state_write()?.1.change.clone()).collect();
        let publication = if changes.is_empty() {
            None
        } else {
            let id = outbox::insert(connection, self.owner, self.lease, &changes).await?;
            Some(Publication { id, content: Content::Changes(changes) })
        };
        let unknown_currencies = winners
            .iter()
            .filter(|(_, fold)| fold.state_write().is_some_and(|(_, write)| write.unknown_currency))
            .count() as u64;
        let endings = winners.iter().flat_map(|(_, fold)| fold.endings.iter().cloned()).collect();
        Ok(Committed { endings, losers, publication, unknown_currencies })
    }
}

/// What folding one user's events came to.
pub(super) struct UserFold {
    pub(super) endings: Vec<(usize, Ending)>,
    /// The counter that was read, and what to write over it.
    pub(super) write: Option<(i64, Write)>,
    /// The erasure to remember of a user whom the platform does not know.
    departed_erasure: Option<Millis>,
}

impl Group {
    /// Every event of the user's with the same ending.
    pub(super) fn all(&self, ending: &Ending) -> Vec<(usize, Ending)> {
        self.events.iter().map(|index| (*index, ending.clone())).collect()
    }
}

impl UserFold {
    /// What to write into the state table; nothing for a user who may not have a state.
    pub(super) fn state_write(&self) -> Option<&(i64, Write)> {
        self.write.as_ref().filter(|_| self.departed_erasure.is_none())
    }
}

pub(super) fn fold_user(
    events: &[Event],
    group: &Group,
    current: Current,
    context: &Context<'_>,
) -> Result<UserFold, StoreError> {
    // Without a user on the platform only erasures mean something.
    let (accepted, refused): (Vec<usize>, Vec<usize>) = group
        .events
        .iter()
        .partition(|index| current.known || events.get(**index).is_some_and(|event| event.body == Body::Tombstone));
    let taken: Vec<&Event> = accepted.iter().filter_map(|index| events.get(*index)).collect();
    let Fold { outcomes, write } = fold::fold(&group.user, &current.state, &taken, context)?;
    let merged = accepted.into_iter().zip(outcomes).map(|(index, outcome)| (index, Ending::Merged(outcome)));
    let unknown = refused.into_iter().map(|index| (index, Ending::UnknownUser));
    let departed_erasure = write.as_ref().filter(|_| !current.known).and_then(|write| write.state.profile.erased_at());
    Ok(UserFold {
        endings: merged.chain(unknown).collect(),
        write: write.map(|write| (current.counter, write)),
        departed_erasure,
    })
}

async fn compare_and_set(
    connection: &mut PgConnection,
    chunk: &Chunk,
    folds: &[UserFold],
) -> Result<HashSet<String>, StoreError> {
    let writes: Vec<StateWrite<'_>> = chunk
        .iter()
        .zip(folds)
        .filter_map(|(group, fold)| {
            let (counter, write) = fold.state_write()?;
            Some(StateWrite { user: &group.user, counter: *counter, state: &write.state })
        })
        .collect();
    if writes.is_empty() {
        return Ok(HashSet::new());
    }
    Ok(states::compare_and_set(connection, &writes).await?.into_iter().collect())
}

async fn write_rows(
    connection: &mut PgConnection,
    winners: &[(&Group, &UserFold)],
    row_ids: RowIds,
) -> Result<(), sqlx::Error> {
    let mut rows = Vec::with_capacity(winners.len());
    let mut removals = Vec::new();
    for (group, fold) in winners {
        match fold.write.as_ref().map(|(_, write)| &write.row) {
            Some(RowWrite::Upsert(row)) => rows.push((&group.user, &**row)),
            Some(RowWrite::Remove) => removals.push(group.user.as_str()),
            Some(RowWrite::Leave) | None => {}
        }
    }
    if !rows.is_empty() {
        user_vectors::upsert(connection, &rows, row_ids).await?;
    }
    if !removals.is_empty() {
        user_vectors::remove(connection, &removals).await?;
    }
    Ok(())
}

/// Halves a chunk that the database refuses for good, by users and then by events, until what is left is to blame.
fn isolate(progress: &mut Progress<'_>, mut chunk: Chunk, error: &StoreError) {
    if chunk.len() > 1 {
        let later = chunk.split_off(chunk.len() / 2);
        progress.open.push(later);
        progress.open.push(chunk);
        return;
    }
    let Some(mut group) = chunk.pop() else { return };
    if group.events.len() > 1 {
        let later = group.events.split_off(group.events.len() / 2);
        progress.open.push(vec![Group { user: group.user.clone(), events: later }]);
        progress.open.push(vec![group]);
        return;
    }
    for index in group.events {
        progress.end(index, Ending::RejectedByDatabase(error.detail()));
    }
}

/// A deadline for a whole transaction: what its statements may take, and some for the way.
pub fn transaction_deadline(statement_timeout: Duration) -> Duration {
    statement_timeout + statement_timeout / 2
}
