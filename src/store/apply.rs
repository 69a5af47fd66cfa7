//! The transaction of a fold: read states, fold, compare-and-set, upsert rows, insert the outbox row. It is repeated until
//! every item has its outcome.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::Store;
use super::compare_and_set::{StateWrite, compare_and_set};
use super::connections::Finish;
use super::error::{ErrorClass, StoreError};
use super::history::Histories;
use super::jobs;
use super::outbox::{self, Content, Publication};
use super::progress::Chunk;
pub use super::progress::{Progress, Tally};
use super::states::{self, Snapshot, UserCheck};
use super::task::{Group, ItemOutcome, UserFold, fold_user};
use super::user_vectors::{self, RowIds};
use crate::domain::event::UserId;
use crate::domain::fold::{Context, RowWrite, Write};
use crate::domain::ranking_change::RankingChange;
use crate::runtime::fault::fault_point;
use crate::runtime::panics::catch_async;
use crate::store::sql::Sessions;

/// The result of one transaction.
#[derive(Default)]
struct Committed {
    outcomes: Vec<(usize, ItemOutcome)>,
    /// The users to fold again: those that lost a conflict, and deleted users that were erased.
    again: Chunk,
    conflicts: u64,
    publication: Option<Publication>,
    unknown_currencies: u64,
    /// Where the transaction ran.
    ran_in: Histories,
    /// Whether the transaction wrote the batch's checkpoint.
    checkpointed: bool,
    /// Whether the transaction recorded the batch's act.
    recorded: bool,
}

/// How long an attempt at a transaction took.
#[derive(Debug, Default)]
struct Spent {
    connecting: Duration,
    transaction: Duration,
}

/// How often a transaction is retried at once. After that a batch in conflict is halved, and other errors go to the caller.
const IMMEDIATE_RETRIES: u32 = 5;

/// How often a batch in conflict is halved: each time has waited for a lock. Enough to isolate several users of a batch.
const MOST_HALVINGS: u32 = 32;

impl Store {
    /// Writes the open chunks of `progress`.
    ///
    /// # Errors
    /// The rest stays open: wait, and call again; stop where the error has no class. After [`StoreError::Locked`] all others
    /// are written.
    pub async fn advance(&self, progress: &mut Progress<'_>) -> Result<(), StoreError> {
        progress.reopen_locked();
        let mut retries = 0;
        let (mut halvings, mut conflict) = (0, None);
        let mut row_ids = RowIds::Derived;
        while let Some(chunk) = progress.open.pop() {
            let mut spent = Spent::default();
            let written = self.write_chunk(progress, &chunk, row_ids, &mut spent).await;
            progress.tally.connecting += spent.connecting;
            progress.tally.transaction += spent.transaction;
            match written {
                Ok(committed) => {
                    retries = 0;
                    if committed.checkpointed {
                        progress.checkpoint = None;
                    }
                    if committed.recorded {
                        progress.entry = None;
                    }
                    row_ids = RowIds::Derived;
                    progress.ran_in = progress.ran_in.and(committed.ran_in);
                    progress.tally.unknown_currencies += committed.unknown_currencies;
                    progress.tally.conflicts += committed.conflicts;
                    progress.publications.extend(committed.publication);
                    for (index, outcome) in committed.outcomes {
                        progress.end(index, outcome);
                    }
                    if !committed.again.is_empty() {
                        progress.open.push(committed.again);
                    }
                }
                Err(error) => match error.class() {
                    Some(ErrorClass::RowIdTaken) if row_ids == RowIds::Derived => {
                        row_ids = RowIds::Random;
                        progress.open.push(chunk);
                    }
                    Some(ErrorClass::Conflict) if progress.contended || retries >= IMMEDIATE_RETRIES => {
                        halvings += 1;
                        progress.set_locked_apart(chunk, halvings <= MOST_HALVINGS);
                        conflict = Some(error);
                    }
                    Some(class @ (ErrorClass::Conflict | ErrorClass::ForeignKey)) if retries < IMMEDIATE_RETRIES => {
                        retries += 1;
                        progress.tally.retries += 1;
                        let user_deleted = class == ErrorClass::ForeignKey;
                        let again = |group: Group| Group { lost: group.lost || user_deleted, ..group };
                        progress.open.push(chunk.into_iter().map(again).collect());
                    }
                    Some(ErrorClass::Permanent | ErrorClass::ForeignKey) => progress.isolate(chunk, &error),
                    _ => {
                        progress.open.push(chunk);
                        return Err(error);
                    }
                },
            }
        }
        match conflict {
            Some(conflict) if !progress.locked.is_empty() => {
                Err(StoreError::Locked { users: progress.locked.len(), conflict: Box::new(conflict) })
            }
            _ => self.write_checkpoint(progress).await,
        }
    }

    /// Writes the checkpoint of a batch whose last chunk committed nothing: it had no write, or its last item was rejected.
    async fn write_checkpoint(&self, progress: &mut Progress<'_>) -> Result<(), StoreError> {
        let Some(checkpoint) = progress.last_checkpoint(&[]) else { return Ok(()) };
        let write = async |transaction: &mut PgConnection| {
            jobs::checkpoint(transaction, &checkpoint, &self.pool).await?;
            fault_point!("before-commit");
            Result::<_, StoreError>::Ok(())
        };
        self.pool.transaction(write).await?;
        progress.checkpoint = None;
        Ok(())
    }

    /// Runs one transaction. A connection that was used in a panic is closed.
    async fn write_chunk(
        &self,
        progress: &Progress<'_>,
        chunk: &Chunk,
        row_ids: RowIds,
        spent: &mut Spent,
    ) -> Result<Committed, StoreError> {
        let asked = Instant::now();
        let lent = self.pool.lend().await;
        spent.connecting = asked.elapsed();
        let begun = Instant::now();
        let work = async |transaction: &mut PgConnection| self.write(transaction, progress, chunk, row_ids).await;
        let written = catch_async(self.pool.fold(lent?, work)).await;
        spent.transaction = begun.elapsed();
        let committed = written??;
        fault_point!("after-commit");
        Ok(committed)
    }

    async fn write(
        &self,
        transaction: &mut PgConnection,
        progress: &Progress<'_>,
        chunk: &Chunk,
        row_ids: RowIds,
    ) -> Result<Finish<Committed>, StoreError> {
        let users: Vec<&str> = chunk.iter().map(|group| group.user.as_str()).collect();
        let check = self.user_check(chunk.iter().any(|group| group.lost));
        let snapshot = states::read(transaction, &users, check, &self.pool).await?;
        let ran_in = Histories::One(snapshot.history);
        let folds = self.fold(progress, chunk, snapshot)?;
        if folds.iter().all(|fold| fold.write.is_none()) {
            let outcomes = folds.into_iter().flat_map(|fold| fold.outcomes).collect();
            return Ok(Finish::RollBack(Committed { outcomes, ran_in, ..Committed::default() }));
        }
        let mut committed = self.write_folds(transaction, chunk, folds, row_ids).await?;
        committed.ran_in = ran_in;
        if let Some(entry) = &progress.entry {
            entry.write(transaction).await?;
            committed.recorded = true;
        }
        if committed.again.is_empty()
            && let Some(checkpoint) = progress.last_checkpoint(&committed.outcomes)
        {
            jobs::checkpoint(transaction, &checkpoint, &self.pool).await?;
            committed.checkpointed = true;
        }
        fault_point!("before-commit");
        Ok(Finish::Commit(committed))
    }

    /// A conflict may mean that the user was deleted and the state was not. Unless `users` is read then, the conflict repeats
    /// for ever.
    pub(super) fn user_check(&self, was_lost: bool) -> UserCheck {
        match (self.has_users, was_lost) {
            (false, _) => UserCheck::None,
            (true, false) => UserCheck::NewUsers,
            (true, true) => UserCheck::All,
        }
    }

    fn fold(&self, progress: &Progress<'_>, chunk: &Chunk, snapshot: Snapshot) -> Result<Vec<UserFold>, StoreError> {
        let context = Context {
            catalog: &self.catalog,
            clock_ms: self.revisions.at(snapshot.clock_ms, snapshot.history),
            publishing: progress.publishing,
        };
        let users = chunk.iter().zip(snapshot.users);
        users.map(|(group, current)| fold_user(progress.task, group, current?, &context)).collect()
    }

    async fn write_folds(
        &self,
        connection: &mut PgConnection,
        chunk: &Chunk,
        folds: Vec<UserFold>,
        row_ids: RowIds,
    ) -> Result<Committed, StoreError> {
        let writes: Vec<StateWrite<'_>> = chunk
            .iter()
            .zip(&folds)
            .filter_map(|(group, fold)| {
                let state = &fold.state_write()?.state;
                Some(StateWrite { user: &group.user, over: fold.over, may_insert: fold.may_insert, state })
            })
            .collect();
        let written = compare_and_set(connection, &writes, self.has_users, &self.pool).await?;
        let mut committed = Committed::default();
        let mut winners = Vec::with_capacity(folds.len());
        for (group, fold) in chunk.iter().zip(folds) {
            if fold.state_write().is_some() && !written.contains(group.user.as_str()) {
                committed.conflicts += 1;
                committed.again.push(Group { lost: true, ..group.clone() });
            } else {
                winners.push((group, fold));
            }
        }
        let deleted: Vec<(&UserId, &Write)> = winners
            .iter()
            .filter(|(_, fold)| fold.is_of_deleted_user)
            .filter_map(|(group, fold)| Some((&group.user, fold.write.as_ref()?)))
            .collect();
        if !deleted.is_empty() {
            states::keep_deleted_users(connection, &deleted, &self.pool).await?;
        }
        write_rows(connection, &winners, row_ids, &self.pool).await?;
        let mut changes: Vec<RankingChange> = Vec::with_capacity(winners.len());
        for (group, fold) in winners {
            changes.extend(fold.change().cloned());
            committed.unknown_currencies += u64::from(fold.state_write().is_some_and(|write| write.unknown_currency));
            if fold.is_of_deleted_user && !group.erased {
                committed.again.push(Group { erased: true, ..group.clone() });
            } else {
                committed.outcomes.extend(fold.outcomes);
            }
        }
        // Before the commit, whose outcome may stay unknown.
        changes.iter().for_each(|change| self.revisions.see(change.revision));
        if !changes.is_empty() {
            let key = outbox::insert(connection, self.owner, self.lease, &changes, &self.pool).await?;
            committed.publication = Some(Publication { key, content: Content::Changes(changes), since: None });
        }
        Ok(committed)
    }
}

/// Writes the rows of `user_vectors`.
async fn write_rows(
    connection: &mut PgConnection,
    winners: &[(&Group, UserFold)],
    row_ids: RowIds,
    sessions: &Sessions,
) -> Result<(), sqlx::Error> {
    let mut rows = Vec::with_capacity(winners.len());
    let mut removals = Vec::new();
    for (Group { user, .. }, fold) in winners {
        match fold.write.as_ref().map(|write| &write.row) {
            Some(RowWrite::Upsert(row)) => rows.push((user, row)),
            Some(RowWrite::Remove) => removals.push(user.as_str()),
            Some(RowWrite::Leave) | None => {}
        }
    }
    if !removals.is_empty() {
        user_vectors::remove(connection, &removals, sessions).await?;
    }
    if !rows.is_empty() {
        user_vectors::upsert(connection, &rows, row_ids, sessions).await?;
    }
    Ok(())
}
