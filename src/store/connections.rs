//! The open connections of this process: lent for one piece of work each, then kept for the next.
//!
//! Every wait has an end: a connection goes back only after its work ended cleanly within the deadline. One that failed, missed
//! the deadline, or whose work was dropped half-way is closed at once, without a word to a server that may be silent, and frees
//! its slot. sqlx's own pool cannot do that (decision 0030).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::debug;

use super::connect::{Connect, transaction_deadline};
use super::error::{ErrorClass, StoreError};
use super::history::History;

/// The connections of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connect: Connect,
    /// One for each connection that may be open.
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The one that was used last is lent first.
    idle: Vec<Open>,
    /// Connections whose opening began before are closed instead of used.
    renewed_at: Instant,
    /// The server that the newest connection reached.
    history: Option<History>,
    refusals: Option<Refusals>,
}

/// Refusals of the password, with no new connection between them.
#[derive(Debug, Clone, Copy)]
struct Refusals {
    first: Instant,
    last: Instant,
}

#[derive(Debug)]
struct Open {
    connection: PgConnection,
    opened_at: Instant,
    used_at: Instant,
}

impl Refusals {
    /// Whether they still count. Long after the last attempt they do not: the open connections suffice.
    fn count(&self) -> bool {
        self.last.elapsed() < Duration::from_secs(60)
    }
}

/// A lent connection. It is closed when this is dropped, unless it was given back.
#[derive(Debug)]
pub(super) struct Lent {
    open: Open,
    home: Connections,
    slot: OwnedSemaphorePermit,
}

/// How long a connection is used, so that the memory of its server process, and its share of a balanced address, are renewed.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 60);

/// How long a connection is kept without use.
const LONGEST_IDLE: Duration = Duration::from_secs(10 * 60);

impl Connections {
    /// Opens none: the process starts while the database is unavailable.
    pub(super) fn new(connect: Connect) -> Self {
        let slots = Arc::new(Semaphore::new(connect.max_connections as usize));
        let state = State { idle: Vec::new(), renewed_at: Instant::now(), history: None, refusals: None };
        Self(Arc::new(Inner { connect, slots, state: Mutex::new(state) }))
    }

    /// A connection: a kept one, or a new one. Waits for a slot and then for the server, each no longer than the connect
    /// timeout.
    pub(super) async fn lend(&self) -> Result<Lent, StoreError> {
        let inner = &self.0;
        let slot = timeout(inner.connect.timeout, Arc::clone(&inner.slots).acquire_owned()).await;
        let slot = slot.ok().and_then(Result::ok).ok_or(sqlx::Error::PoolTimedOut)?;
        let kept = self.state().take();
        let open = match kept {
            Some(open) => open,
            None => self.open().await.inspect_err(|error| self.failed(error))?,
        };
        Ok(Lent { open, home: self.clone(), slot })
    }

    async fn open(&self) -> Result<Open, StoreError> {
        let opened_at = Instant::now();
        let opened = self.0.connect.open().await;
        match &opened {
            Ok((_, history)) => self.state().reached(*history, opened_at),
            Err(error) if error.is_refused_password() => {
                let (mut state, now) = (self.state(), Instant::now());
                let first = state.refusals.filter(Refusals::count).map_or(now, |refusals| refusals.first);
                state.refusals = Some(Refusals { first, last: now });
            }
            Err(_) => {}
        }
        Ok(Open { connection: opened?.0, opened_at, used_at: opened_at })
    }

    /// For how long the server has refused the password of every new connection; `None` too while none is attempted.
    pub(super) fn refused_for(&self) -> Option<Duration> {
        Some(self.state().refusals.filter(Refusals::count)?.first.elapsed())
    }

    /// Closes the connections that are open at this moment: the kept ones now, the lent ones when they are given back.
    pub(super) fn renew(&self) {
        let closed = {
            let mut state = self.state();
            state.renewed_at = Instant::now();
            std::mem::take(&mut state.idle)
        };
        drop(closed);
    }

    /// How many connections are lent or being opened, and how many are kept.
    pub(super) fn usage(&self) -> (usize, usize) {
        let lent = (self.0.connect.max_connections as usize).saturating_sub(self.0.slots.available_permits());
        (lent, self.state().idle.len())
    }

    /// Where one connection finds that its server cannot serve, the others are of the same server.
    fn failed(&self, error: &StoreError) {
        if error.is_of_the_server() {
            debug!(reason = error.detail(), "closing all connections to the database");
            self.renew();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is never left half-changed, so a panic elsewhere does not spoil it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a transaction whose work succeeded ends.
#[derive(Debug)]
pub(super) enum Finish<T> {
    Commit(T),
    /// Nothing was written: a commit of row locks alone would wait for the disk.
    RollBack(T),
}

impl Lent {
    /// Runs work that leaves no transaction open.
    pub(super) async fn run<T, E: Into<StoreError>>(
        mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        let deadline = transaction_deadline(self.home.0.connect.statement_timeout);
        let done = timeout(deadline, work(&mut self.open.connection)).await;
        let done = done.map_or(Err(StoreError::TimedOut(deadline)), |done| done.map_err(Into::into));
        match &done {
            Err(error) if error.class() == Some(ErrorClass::Outage) => self.home.failed(error),
            Ok(_) | Err(_) => self.give_back(),
        }
        done
    }

    /// Runs work in a transaction that begins with `begin`, and ends it. After an error of a commit its outcome is unknown.
    pub(super) async fn transaction<T, E: Into<StoreError>>(
        mut self,
        begin: &str,
        deadline: Duration,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<Finish<T>, E>,
    ) -> Result<T, StoreError> {
        let connection = &mut self.open.connection;
        let ended = timeout(deadline, async {
            let mut transaction = connection.begin_with(AssertSqlSafe(begin)).await?;
            match work(&mut transaction).await.map_err(Into::into) {
                Ok(Finish::Commit(done)) => transaction.commit().await.map(|()| Ok(done)).map_err(Into::into),
                Ok(Finish::RollBack(done)) => transaction.rollback().await.map(|()| Ok(done)).map_err(Into::into),
                Err(error) if error.class() == Some(ErrorClass::Outage) => Err(error),
                Err(error) => transaction.rollback().await.map(|()| Err(error)).map_err(Into::into),
            }
        });
        match ended.await.unwrap_or(Err(StoreError::TimedOut(deadline))) {
            Ok(done) => {
                self.give_back();
                done
            }
            Err(error) => {
                self.home.failed(&error);
                Err(error)
            }
        }
    }

    fn give_back(self) {
        let Self { open, home, slot } = self;
        home.state().keep(open);
        drop(slot);
    }
}

impl State {
    /// A connection whose opening began at `opened_at` reached this server. If it is another one than before, a former primary may
    /// still serve the older connections: whatever they write is lost with it.
    fn reached(&mut self, history: Option<History>, opened_at: Instant) {
        self.refusals = None;
        let Some(history) = history.filter(|_| opened_at >= self.renewed_at) else { return };
        if self.history.replace(history).is_some_and(|before| before != history) {
            self.renewed_at = opened_at;
        }
    }

    fn take(&mut self) -> Option<Open> {
        let now = Instant::now();
        while let Some(open) = self.idle.pop() {
            if self.may_be_kept(&open, now) {
                return Some(open);
            }
        }
        None
    }

    fn keep(&mut self, open: Open) {
        let now = Instant::now();
        if self.idle.first().is_some_and(|oldest| !self.may_be_kept(oldest, now)) {
            self.idle.remove(0);
        }
        if self.may_be_kept(&open, now) {
            self.idle.push(Open { used_at: now, ..open });
        }
    }

    fn may_be_kept(&self, open: &Open, now: Instant) -> bool {
        open.opened_at >= self.renewed_at
            && now.duration_since(open.opened_at) < LONGEST_LIFE
            && now.duration_since(open.used_at) < LONGEST_IDLE
    }
}
