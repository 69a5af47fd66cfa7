//! Changes that earlier owners of a job have committed and not published: a killed process leaves them in the outbox, under a
//! lease. Any publisher takes them over when that has run out, also the one of this process.

use std::time::{Duration, Instant};

use tracing::info;
use uuid::Uuid;

use super::Means;
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::outbox;

/// How often to look.
const POLL: Duration = Duration::from_millis(250);

/// Waits until a publisher has taken over all of them: a job is not done before.
///
/// # Errors
/// A stop was requested, the database is unavailable, or a living process still holds some.
pub(super) async fn wait_until_taken_over(means: &Means, job: Uuid) -> Result<(), Halt> {
    let deadline = Instant::now() + 2 * means.store.lease;
    let mut reported = false;
    loop {
        let rows =
            retry_until_deadline("PostgreSQL", || outbox::left_by_earlier_owners(&means.store.pool, job)).await?;
        if rows == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Halt::Unavailable(format!("an earlier owner of the job still publishes {rows} outbox rows")));
        }
        if !std::mem::replace(&mut reported, true) {
            info!(rows, "waiting for the leases of outbox rows that earlier owners of the job left");
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = means.stop.requested() => return Err(Halt::Interrupted),
        }
    }
}
