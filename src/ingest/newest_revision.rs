//! The newest revisions on segment-changed: read before a repair range begins. Another process may have minted them on a server that
//! is gone, or that serves some sessions still, and no commit may carry them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::kafka::topic_reader::{ReadError, Source};
use crate::publish::topic_revisions;
use crate::store::revision_clock::RevisionClock;

/// For how long a partition waits for a topic that cannot be read.
const DEADLINE: Duration = Duration::from_secs(60);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct NewestRevision {
    source: Source,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Debug, Default)]
struct Progress {
    /// When the last reading began that succeeded or was given up.
    read_at: Option<Instant>,
    failing_since: Option<Instant>,
}

impl NewestRevision {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, progress: Arc::default() }
    }

    /// Has `clock` see the newest revisions. Partitions that begin together share a reading. A topic that may not be read, or not for
    /// a minute, is given up: the clock then knows its own revisions and those of the commits.
    ///
    /// # Errors
    /// The brokers do not answer yet.
    pub(crate) async fn see(&self, clock: &RevisionClock) -> Result<(), ReadError> {
        let asked_at = Instant::now();
        let mut progress = self.progress.lock().await;
        if progress.read_at >= Some(asked_at) {
            return Ok(());
        }
        let read_at = Some(Instant::now());
        let source = self.source.clone();
        let reading = tokio::task::spawn_blocking(move || topic_revisions::newest(&source)).await;
        match reading.unwrap_or_else(|error| Err(ReadError::Unavailable(error.to_string()))) {
            Ok(revision) => {
                clock.see(revision);
                info!(topic = self.source.topic, revision, "read the newest revisions of the topic");
            }
            Err(error @ (ReadError::Unavailable(_) | ReadError::Interrupted))
                if progress.failing_since.get_or_insert_with(Instant::now).elapsed() < DEADLINE =>
            {
                return Err(error);
            }
            Err(error) => warn!(
                topic = self.source.topic,
                %error,
                "the newest revisions of the topic cannot be read; on a server with a slower clock later changes may get lower ones"
            ),
        }
        *progress = Progress { read_at, failing_since: None };
        Ok(())
    }
}
