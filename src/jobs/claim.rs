//! Creates a job, and takes the lease on a new or an abandoned one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracing::info;
use uuid::Uuid;

use super::Means;
use super::control::LEASE;
use super::spec::{Spec, What};
use super::throttle::Throttle;
use crate::domain::event::UserId;
use crate::runtime::halt::Halt;
use crate::store::audit::{Act, Entry, hashed};
use crate::store::jobs::{self, JobRecord, NewJob, Part};

/// How often to check whether a lease has expired.
const POLL: Duration = Duration::from_millis(250);

/// Creates a job without an owner. `users` is its list, if it has one.
///
/// # Errors
/// The database does not answer, or a job with that id exists.
pub(crate) async fn enter(
    means: &Means,
    id: Uuid,
    spec: &Spec,
    parts: Vec<Part>,
    throttle: Throttle,
    users: &[UserId],
) -> Result<JobRecord, Halt> {
    let to_json = |error: serde_json::Error| Halt::Failed(format!("the job cannot be created: {error}"));
    let job = NewJob {
        id,
        kind: spec.what.kind(),
        spec: serde_json::to_value(spec).map_err(to_json)?,
        throttle: serde_json::to_value(throttle).map_err(to_json)?,
        parts,
        users: users.to_vec(),
        entry: Entry {
            operator: means.operator.clone(),
            act: Act::Start,
            arguments: json!({
                "job": id, "what": recorded(&spec.what).map_err(to_json)?, "emit": spec.emit, "throttle": throttle,
                "listedUsers": users.len(),
            }),
        },
    };
    jobs::create(&means.store.pool, &job).await?;
    record(means, id).await
}

/// A job's work without personal data.
fn recorded(what: &What) -> Result<Value, serde_json::Error> {
    let mut what = what.clone();
    if let What::Replay(replay) = &mut what {
        replay.users.iter_mut().for_each(|user| *user = hashed(user.as_str()));
    }
    serde_json::to_value(what)
}

/// Takes the lease on a job; waits for as long as the lease of a dead owner can last.
///
/// # Errors
/// Another process owns the job, or the database does not answer.
pub(crate) async fn claim(means: &Means, id: Uuid, take_over: bool) -> Result<JobRecord, Halt> {
    let store = &means.store;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = format!("{}:{}", host.as_deref().map_or("?", str::trim), std::process::id());
    let deadline = Instant::now() + LEASE + LEASE / 2;
    let mut reported = false;
    while !jobs::claim(&store.pool, id, store.owner, &name, LEASE, take_over).await? {
        if Instant::now() > deadline || means.stop.is_requested() {
            let owner = record(means, id).await?.owner_name;
            return Err(Halt::Refused(format!(
                "{} owns the job {id}; resume it when that process is gone, or now with --take-over",
                owner.as_deref().unwrap_or("another process"),
            )));
        }
        if !std::mem::replace(&mut reported, true) {
            info!("waiting for the lease of the job's last owner to expire, at most {LEASE:?}");
        }
        tokio::time::sleep(POLL).await;
    }
    record(means, id).await
}

async fn record(means: &Means, id: Uuid) -> Result<JobRecord, Halt> {
    jobs::find(&means.store.pool, id).await?.ok_or_else(|| Halt::Failed(format!("the job {id} is gone")))
}
