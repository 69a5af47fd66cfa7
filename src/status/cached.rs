//! What is read from the database for whoever looks: seldom, apart from those who ask, and however many they are.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tracing::debug;

/// How long after a reading that failed the next is tried.
const AFTER_A_FAILURE: Duration = Duration::from_secs(30);

/// The last reading, shared by all who ask. Cheap to clone.
#[derive(Debug)]
pub(super) struct Cached<T> {
    what: &'static str,
    /// How long a reading is shown before the next.
    fresh: Duration,
    memory: Arc<Mutex<Memory<T>>>,
    read: Arc<Notify>,
}

#[derive(Debug)]
struct Memory<T> {
    /// When the next reading may begin; `None` at once.
    due: Option<Instant>,
    is_reading: bool,
    last: Option<(Instant, T)>,
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self { what: self.what, fresh: self.fresh, memory: Arc::clone(&self.memory), read: Arc::clone(&self.read) }
    }
}

impl<T: Clone + Send + 'static> Cached<T> {
    /// Nothing has been read yet; `what` is for the log.
    pub(super) fn new(what: &'static str, fresh: Duration) -> Self {
        let memory = Memory { due: None, is_reading: false, last: None };
        Self { what, fresh, memory: Arc::new(Mutex::new(memory)), read: Arc::default() }
    }

    /// The last reading and its age; `None` where none has succeeded. A reading that is under way is waited for, no longer
    /// than `patience`; without an answer in time the one before is given.
    pub(super) async fn get<F>(&self, patience: Duration, read: impl FnOnce() -> F) -> Option<(Duration, T)>
    where
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        let done = self.read.notified();
        if self.begin() {
            tokio::spawn(self.clone().keep(read()));
        }
        if self.memory().is_reading {
            let _ = tokio::time::timeout(patience, done).await;
        }
        self.memory().last.as_ref().map(|(at, value)| (at.elapsed(), value.clone()))
    }

    /// Whether it is time for a reading, which is then the caller's to make.
    fn begin(&self) -> bool {
        let mut memory = self.memory();
        let is_due = !memory.is_reading && memory.due.is_none_or(|due| Instant::now() >= due);
        memory.is_reading |= is_due;
        is_due
    }

    async fn keep(self, reading: impl Future<Output = Result<T, sqlx::Error>>) {
        let read = reading.await;
        let mut memory = self.memory();
        memory.is_reading = false;
        let pause = match read {
            Ok(value) => {
                memory.last = Some((Instant::now(), value));
                self.fresh
            }
            Err(error) => {
                debug!(%error, what = self.what, "could not be read for the page");
                AFTER_A_FAILURE
            }
        };
        memory.due = Some(Instant::now() + pause);
        drop(memory);
        self.read.notify_waiters();
    }

    /// What it holds is never left half-changed, so a panic elsewhere does not spoil it.
    fn memory(&self) -> MutexGuard<'_, Memory<T>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
