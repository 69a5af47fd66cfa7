//! The request to stop the process, and its reason.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::exit::Exit;

/// Why the process stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// A signal.
    Signal,
    /// A permanent failure of this process; a new one may succeed.
    Failure(String),
    /// The data is newer than this version may write.
    Refused(String),
    /// A poison flood.
    Flood(String),
}

impl StopReason {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Signal => Exit::Ok,
            Self::Failure(_) => Exit::Failure,
            Self::Refused(_) => Exit::Refused,
            Self::Flood(_) => Exit::Flood,
        }
    }
}

/// Shared by all parts of the process. A stop has two steps: first the parts finish their work, later those that have not
/// finished abandon it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: CancellationToken,
    abandoned: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    /// Requests all parts to finish the work that they have begun. The first reason counts.
    pub fn now(&self, reason: StopReason) {
        // A later reason is a consequence of the first, or as good.
        let _ = self.reason.set(reason);
        self.requested.cancel();
    }

    /// Makes all parts abandon unfinished work, which is done again after a restart.
    pub fn abandon(&self) {
        self.abandoned.cancel();
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    pub(crate) async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    /// Runs work until a stop is requested. The work is dropped then, at whatever it waits for; `None`.
    pub(crate) async fn until_requested<T>(self, work: impl Future<Output = T>) -> Option<T> {
        self.requested.run_until_cancelled_owned(work).await
    }

    /// Runs work until it is to be abandoned. It is dropped then, at whatever it waits for; `None`.
    pub(crate) async fn until_abandoned<T>(self, work: impl Future<Output = T>) -> Option<T> {
        self.abandoned.run_until_cancelled_owned(work).await
    }

    /// Runs work until this long after a stop is requested. It is dropped then, at whatever it waits for; `None`.
    pub(crate) async fn until_requested_and<T>(&self, after: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = async { self.requested().await; tokio::time::sleep(after).await } => None,
        }
    }

    /// The reason, once a stop is requested.
    pub fn reason(&self) -> Option<&StopReason> {
        self.reason.get()
    }
}
