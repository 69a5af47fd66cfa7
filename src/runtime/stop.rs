//! How the process is asked to stop, and why.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::exit::Exit;

/// Why the process stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// Asked to by a signal.
    Signal,
    /// Something failed for good; a new process may do better.
    Failure(String),
    /// Newer data than this version may touch.
    Refused(String),
    /// Rejected records in an unbroken run.
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

/// Shared by all parts of the process. First they are asked to finish; those that cannot are told to give up later.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: CancellationToken,
    abandoned: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    /// Asks all parts to finish what they have begun. The first reason counts.
    pub fn now(&self, reason: StopReason) {
        // A later reason is a consequence of the first, or as good.
        let _ = self.reason.set(reason);
        self.requested.cancel();
    }

    /// Tells all parts to give up what they could not finish; it is done again after a restart.
    pub fn abandon(&self) {
        self.abandoned.cancel();
    }

    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    pub async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    /// Why, once it was requested.
    pub fn reason(&self) -> Option<&StopReason> {
        self.reason.get()
    }
}
