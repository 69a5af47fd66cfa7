//! Applying events: read, fold, compare-and-set, upsert, outbox, all in one transaction, until every event has an end.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, Postgres, Transaction};

use super::Store;
use super::compare_and_set::{self, OutboxId, StateWrite, Won};
use super::encoded_state::EncodedState;
use super::error::{ErrorClass, StoreError};
use super::extent::Extent;
use super::jobs;
use super::outbox::{self, Content, NewRow, Publication};
use super::progress::Chunk;
pub use super::progress::{Ending, Progress, Tally};
use super::sql;
use super::states::{self, Asked, Snapshot};
use super::task::{Group, UserFold, fold_user};
use super::user_vectors::{self, RowIds};
use crate::event::{Millis, UserId};
use crate::fault::fault_point;
use crate::pipeline::change::Change;
use crate::pipeline::codec;
use crate::pipeline::fold::{Context, RowWrite};

/// What one transaction did.
#[derive(Default)]
struct Committed {
    endings: Vec<(usize, Ending)>,
    losers: Chunk,
    publication: Option<Publication>,
    unknown_currencies: u64,
    /// Whether the batch's checkpoint was in it.
    checkpointed: bool,
}

/// What an attempt at a transaction took.
#[derive(Debug, Default)]
struct Spent {
    connecting: Duration,
    transaction: Duration,
}

/// How often a transaction is tried again at once before the caller is asked to wait.
const IMMEDIATE_RETRIES: u32 = 5;

impl Store {
    /// Writes what is open of `progress`. On an error the rest stays open: wait, and call again.
    pub async fn advance(&self, progress: &mut Progress<'_>) -> Result<(), StoreError> {
        let mut retries = 0;
        let mut row_ids = RowIds::Derived;
        while let Some(chunk) = progress.open.pop() {
            let mut spent = Spent::default();
            let written = self.write_within_deadline(progress, &chunk, row_ids, &mut spent).await;
            progress.tally.connecting += spent.connecting;
            progress.tally.transaction += spent.transaction;
            match written {
                Ok(committed) => {
                    retries = 0;
                    if committed.checkpointed {
                        progress.checkpoint = None;
                    }
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
                    Some(class @ (ErrorClass::Conflict | ErrorClass::ForeignKey)) if retries < IMMEDIATE_RETRIES => {
                        retries += 1;
                        progress.tally.retries += 1;
                        let somebody_went = class == ErrorClass::ForeignKey;
                        let again = |group: Group| Group { lost: group.lost || somebody_went, ..group };
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
        self.write_checkpoint(progress).await
    }

    /// Writes the checkpoint of a batch that came to its end without a transaction: nothing was to be written, or the
    /// last item was refused.
    async fn write_checkpoint(&self, progress: &mut Progress<'_>) -> Result<(), StoreError> {
        let Some(checkpoint) = progress.last_checkpoint(&[]) else { return Ok(()) };
        let write = async {
            let mut transaction = sql::begin_in(&self.pool).await?;
            jobs::checkpoint(&mut transaction, &checkpoint).await?;
            fault_point!("before-commit");
            transaction.commit().await?;
            Ok(())
        };
        let written = tokio::time::timeout(self.deadline, write).await;
        written.unwrap_or(Err(StoreError::TimedOut(self.deadline)))?;
        progress.checkpoint = None;
        Ok(())
    }

    /// Runs one transaction. A connection that failed or did not answer is not used again.
    async fn write_within_deadline(
        &self,
        progress: &Progress<'_>,
        chunk: &Chunk,
        row_ids: RowIds,
        spent: &mut Spent,
    ) -> Result<Committed, StoreError> {
        let asked = Instant::now();
        let acquired = self.pool.acquire().await;
        spent.connecting = asked.elapsed();
        let mut connection = acquired?;
        let begun = Instant::now();
        let written = tokio::time::timeout(self.deadline, self.write(&mut connection, progress, chunk, row_ids)).await;
        spent.transaction = begun.elapsed();
        let result = written.unwrap_or(Err(StoreError::TimedOut(self.deadline)));
        if matches!(result.as_ref().map_err(StoreError::class), Err(Some(ErrorClass::Outage))) {
            drop(connection.detach());
        }
        result
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        progress: &Progress<'_>,
        chunk: &Chunk,
        row_ids: RowIds,
    ) -> Result<Committed, StoreError> {
        let mut reading = sql::begin_reading(connection, Extent::of(chunk.len())).await?;
        let users: Vec<&str> = chunk.iter().map(|group| group.user.as_str()).collect();
        let asked = self.asked(chunk.iter().any(|group| group.lost));
        let snapshot = states::read(reading.connection(), &users, asked).await?;
        let folds = self.fold(progress, chunk, snapshot)?;
        if folds.iter().all(|fold| fold.write.is_none()) {
            reading.finish().await?;
            let endings = folds.into_iter().flat_map(|fold| fold.endings).collect();
            return Ok(Committed { endings, ..Committed::default() });
        }
        let states = folds.iter().filter(|fold| fold.state_write().is_some()).count();
        let mut transaction = reading.begin_writing(Extent::of(states)).await?;
        let mut committed = self.write_folds(&mut transaction, chunk, folds, row_ids).await?;
        if committed.losers.is_empty()
            && let Some(checkpoint) = progress.last_checkpoint(&committed.endings)
        {
            jobs::checkpoint(&mut transaction, &checkpoint).await?;
            committed.checkpointed = true;
        }
        fault_point!("before-commit");
        transaction.commit().await?;
        fault_point!("after-commit");
        Ok(committed)
    }

    /// A write may be lost because the user has gone and the state has not; read without asking, it would be lost for ever.
    pub(super) fn asked(&self, was_lost: bool) -> Asked {
        match (self.has_users, was_lost) {
            (false, _) => Asked::OfNobody,
            (true, false) => Asked::OfStrangers,
            (true, true) => Asked::OfAll,
        }
    }

    /// User by user: a state is decoded, folded and encoded before the next one is looked at, so that all of it lies in the
    /// processor's caches and little is kept of it; what was read goes before anything is written.
    fn fold(
        &self,
        progress: &Progress<'_>,
        chunk: &Chunk,
        snapshot: Snapshot,
    ) -> Result<Vec<UserFold<EncodedState>>, StoreError> {
        let context = Context { catalog: &self.catalog, clock_ms: snapshot.clock_ms, voice: progress.voice };
        let mut folds = Vec::with_capacity(chunk.len());
        for (group, current) in chunk.iter().zip(snapshot.users()) {
            folds.push(fold_user(progress.task, group, current??, &context)?.encoded());
        }
        Ok(folds)
    }

    async fn write_folds(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        chunk: &Chunk,
        folds: Vec<UserFold<EncodedState>>,
        row_ids: RowIds,
    ) -> Result<Committed, StoreError> {
        let (won, outbox_id) = compare_and_set(transaction, chunk, &folds, self.has_users).await?;
        if let Some(id) = outbox_id {
            self.drawn.note(id);
        }
        let is_loser = |(group, user_fold): &(&Group, &UserFold<EncodedState>)| {
            user_fold.state_write().is_some() && !won.contains(&group.user)
        };
        let pairs = || chunk.iter().zip(&folds);
        let winners: Vec<(&Group, &UserFold<EncodedState>)> = pairs().filter(|pair| !is_loser(pair)).collect();
        let losers = pairs().filter(is_loser).map(|(group, _)| Group { lost: true, ..group.clone() }).collect();

        let erasures: Vec<(&UserId, Millis)> =
            winners.iter().filter_map(|(group, fold)| Some((&group.user, fold.departed_erasure?))).collect();
        if !erasures.is_empty() {
            states::erase_departed(transaction, &erasures).await?;
        }
        let mut changes: Vec<Change> = Vec::with_capacity(winners.len());
        changes.extend(winners.iter().filter_map(|(_, fold)| fold.state_write()?.change.clone()));
        // Whoever has lost may have been the only one of whom there was something to say: then the id is left unused.
        let id = if changes.is_empty() { None } else { Some(outbox_id.ok_or(sqlx::Error::RowNotFound)?) };
        let outbox_row = id.map(|id| {
            let body = codec::encode_changes(&changes);
            NewRow { id, owner: self.owner, lease: self.lease, body }
        });
        write_rows(transaction, &winners, row_ids, outbox_row).await?;
        let publication = id.map(|id| Publication { id, content: Content::Changes(changes) });
        let unknown_currencies =
            winners.iter().filter(|(_, fold)| fold.state_write().is_some_and(|write| write.unknown_currency)).count()
                as u64;
        let mut endings = Vec::with_capacity(winners.iter().map(|(_, fold)| fold.endings.len()).sum());
        endings.extend(winners.iter().flat_map(|(_, fold)| fold.endings.iter().cloned()));
        Ok(Committed { endings, losers, publication, unknown_currencies, checkpointed: false })
    }
}

async fn compare_and_set(
    transaction: &mut Transaction<'_, Postgres>,
    chunk: &Chunk,
    folds: &[UserFold<EncodedState>],
    has_users: bool,
) -> Result<(Won, Option<i64>), StoreError> {
    let mut writes: Vec<StateWrite<'_>> = Vec::with_capacity(folds.len());
    writes.extend(chunk.iter().zip(folds).filter_map(|(group, fold)| {
        let state = &fold.state_write()?.state;
        Some(StateWrite { user: &group.user, over: fold.version.as_ref(), may_insert: fold.may_insert, state })
    }));
    if writes.is_empty() {
        return Ok((Won::All, None));
    }
    let says = folds.iter().any(|fold| fold.state_write().is_some_and(|write| write.change.is_some()));
    let outbox_id = if says { OutboxId::Drawn } else { OutboxId::NotNeeded };
    compare_and_set::compare_and_set(transaction, &writes, has_users, outbox_id).await
}

/// Writes the winners' rows, and the outbox row where there is something to say.
async fn write_rows(
    connection: &mut PgConnection,
    winners: &[(&Group, &UserFold<EncodedState>)],
    row_ids: RowIds,
    outbox_row: Option<NewRow>,
) -> Result<(), sqlx::Error> {
    let mut rows = Vec::with_capacity(winners.len());
    let mut removals = Vec::new();
    for (group, fold) in winners {
        match fold.write.as_ref().map(|write| &write.row) {
            Some(RowWrite::Upsert(row)) => rows.push((&group.user, &**row)),
            Some(RowWrite::Remove) => removals.push(group.user.as_str()),
            Some(RowWrite::Leave) | None => {}
        }
    }
    if !removals.is_empty() {
        user_vectors::remove(connection, &removals).await?;
    }
    match outbox_row {
        Some(outbox_row) if rows.is_empty() => outbox::insert(connection, outbox_row).await,
        Some(outbox_row) => user_vectors::upsert_and_announce(connection, &rows, row_ids, outbox_row).await,
        None if rows.is_empty() => Ok(()),
        None => user_vectors::upsert(connection, &rows, row_ids).await,
    }
}

/// A deadline for a whole transaction: what its statements may take, and some for the way.
pub fn transaction_deadline(statement_timeout: Duration) -> Duration {
    statement_timeout + statement_timeout / 2
}
