//! A reading of the database that all requests share: made at an interval, one at a time, with a deadline for the request.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::debug;

use crate::store::error::StoreError;

/// The pause after a failed reading.
const AFTER_A_FAILURE: Duration = Duration::from_secs(30);

/// The last reading. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Cached<T> {
    /// The name in the log.
    what: &'static str,
    /// How long a reading is shown before the next.
    fresh: Duration,
    /// When the next reading may begin; locked by the running one.
    due: Arc<tokio::sync::Mutex<Option<Instant>>>,
    last: Arc<Mutex<Option<(Instant, T)>>>,
}

impl<T: Clone + Send + 'static> Cached<T> {
    pub(super) fn new(what: &'static str, fresh: Duration) -> Self {
        Self { what, fresh, due: Arc::default(), last: Arc::default() }
    }

    /// The last reading and its age; `None` where none has succeeded. Waits for a running reading until
    /// `deadline` has passed; the reading goes on, and until it ends the one before is returned.
    pub(super) async fn get(
        &self,
        deadline: Duration,
        read: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Option<(Duration, T)> {
        let _ = tokio::time::timeout(deadline, tokio::spawn(self.clone().refresh(read))).await;
        // It is never left half-changed, so a panic elsewhere does not spoil it.
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|(at, value)| (at.elapsed(), value.clone()))
    }

    async fn refresh(self, read: impl Future<Output = Result<T, StoreError>>) {
        let mut due = self.due.lock().await;
        if due.is_some_and(|due| Instant::now() < due) {
            return;
        }
        let pause = match read.await {
            Ok(value) => {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), value));
                self.fresh
            }
            Err(error) => {
                debug!(%error, what = self.what, "could not be read for the page");
                AFTER_A_FAILURE
            }
        };
        *due = Some(Instant::now() + pause);
    }
}
