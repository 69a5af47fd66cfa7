//! Entering a job, and taking one up: a new one, or one that was left.

use std::time::{Duration, Instant};

use tracing::info;
use uuid::Uuid;

use super::Means;
use super::control::LEASE;
use super::spec::Spec;
use super::throttle::Throttle;
use crate::domain::event::UserId;
use crate::runtime::halt::Halt;
use crate::store::jobs::{self, JobRecord, NewJob};

/// How often to look whether a lease has run out.
const LOOK: Duration = Duration::from_millis(250);

/// Enters a new job, which has no owner yet. `users` is its list, where it has one.
///
/// # Errors
/// The database does not answer, or there is a job of that id.
pub async fn enter(
    means: &Means,
    id: Uuid,
    spec: &Spec,
    throttle: Throttle,
    users: &[UserId],
) -> Result<JobRecord, Halt> {
    let to_json = |error: serde_json::Error| Halt::Failed(format!("the job cannot be entered: {error}"));
    let job = NewJob {
        id,
        kind: spec.what.kind(),
        spec: serde_json::to_value(spec).map_err(to_json)?,
        throttle: serde_json::to_value(throttle).map_err(to_json)?,
        parts: spec.parts(),
        users: users.to_vec(),
    };
    jobs::create(&means.store.pool, &job).await?;
    record(means, id).await
}

/// Takes the lease on a job, or waits for as long as that of a dead owner may last.
///
/// # Errors
/// Another process owns it, or the database does not answer.
pub async fn claim(means: &Means, id: Uuid, take_over: bool) -> Result<JobRecord, Halt> {
    let store = &means.store;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = format!("{}:{}", host.as_deref().map_or("?", str::trim), std::process::id());
    let deadline = Instant::now() + LEASE + LEASE / 2;
    let mut reported = false;
    while !jobs::claim(&store.pool, id, store.owner, &name, LEASE, take_over).await? {
        if Instant::now() > deadline || means.stop.is_requested() {
            let owner = record(means, id).await?.owner_name;
            return Err(Halt::Refused(format!(
                "{} is at the job {id}; it can be resumed elsewhere once that is gone, or now with --take-over",
                owner.as_deref().unwrap_or("another process"),
            )));
        }
        if !std::mem::replace(&mut reported, true) {
            info!("waiting for the lease of the job's last owner to run out, at most {LEASE:?}");
        }
        tokio::time::sleep(LOOK).await;
    }
    record(means, id).await
}

async fn record(means: &Means, id: Uuid) -> Result<JobRecord, Halt> {
    jobs::find(&means.store.pool, id).await?.ok_or_else(|| Halt::Failed(format!("the job {id} is gone")))
}
