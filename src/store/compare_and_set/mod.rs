//! Writing the states of users into `segmenter.profile_states`, each only over the one that was read.

mod columns;
mod few;
pub mod many;

use std::collections::HashSet;

use sqlx::Transaction;
use sqlx::postgres::Postgres;

use super::encoded_state::EncodedState;
use super::error::StoreError;
use super::extent::Extent;
use super::states::Version;
use crate::event::UserId;
use crate::store::sql;

/// A state to write: over the one that was read, or as the user's first.
#[derive(Debug)]
pub struct StateWrite<'a> {
    pub user: &'a UserId,
    /// What was read; `None` where there was none.
    pub over: Option<&'a Version>,
    /// Whether the user may have no row yet: inserting one needs the user to stay in `users`.
    pub may_insert: bool,
    pub state: &'a EncodedState,
}

/// The users whose states were written.
#[derive(Debug)]
pub enum Won {
    All,
    These(HashSet<String>),
}

impl Won {
    pub fn contains(&self, user: &UserId) -> bool {
        match self {
            Self::All => true,
            Self::These(users) => users.contains(user.as_str()),
        }
    }
}

/// Whether the fold will have something to say, and the id of its outbox row is drawn as soon as the states are written.
///
/// From then on it is known whose the id is. One that is drawn with the row would be unknown for as long as the rows of
/// `user_vectors` take, in which publishers have to take it for somebody else's (see [`super::drawn_ids`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxId {
    Drawn,
    NotNeeded,
}

/// What the statement did.
struct Written {
    /// How many states were written.
    states: i64,
    outbox_id: Option<i64>,
}

/// Of these users the ones whose states this transaction has written: no version of another's has its id. That holds as
/// long as no savepoint is set before the write, which would have an id of its own.
const WRITTEN: &str = "select user_id from segmenter.profile_states
     where user_id = any($1) and xmin = pg_current_xact_id()::xid";

/// Writes the states, which come in bytewise order of their users, if they still stand as read; gives whose were, and the
/// id for the outbox row, if one was asked for and any state was written. If the platform has deleted a user for whom
/// something may be inserted, none is written. For many states the transaction has to have begun as one of a fold of many
/// (see [`sql::begin_reading`]).
///
/// # Errors
/// [`StoreError::UserReturned`] where a user was deleted and created again since the state was read: nothing of the
/// earlier life may stay, so the transaction has to be rolled back.
pub async fn compare_and_set(
    transaction: &mut Transaction<'_, Postgres>,
    writes: &[StateWrite<'_>],
    has_users: bool,
    outbox_id: OutboxId,
) -> Result<(Won, Option<i64>), StoreError> {
    let written = match Extent::of(writes.len()) {
        Extent::Few => few::write(transaction, writes, has_users, outbox_id).await?,
        Extent::Many => many::write(transaction, writes, has_users, outbox_id).await?,
    };
    if usize::try_from(written.states) == Ok(writes.len()) {
        return Ok((Won::All, written.outbox_id));
    }
    let users: Vec<&str> = writes.iter().map(|write| write.user.as_str()).collect();
    let winners: Vec<String> = sql::query_scalar(WRITTEN).bind(users).fetch_all(&mut **transaction).await?;
    Ok((Won::These(winners.into_iter().collect()), written.outbox_id))
}

/// The users who have to stay in `users`, since something may be inserted for them.
fn locked<'a>(writes: &[StateWrite<'a>]) -> Vec<&'a str> {
    writes.iter().filter(|write| write.may_insert).map(|write| write.user.as_str()).collect()
}
