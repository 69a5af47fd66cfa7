//! The source of a job's batches.

use uuid::Uuid;

use super::Means;
use super::backfill::Backfill;
use super::batch::Batch;
use super::deferred::Deferred;
use super::recompute::Recompute;
use super::replay::source::ReplaySource;
use super::republish::Republish;
use super::spec::{RepublishUsers, What};
use super::topic_ahead::TopicAhead;
use super::users::{self, Users};
use crate::domain::fold::JobCause;
use crate::runtime::halt::Halt;
use crate::store::jobs::Part;
use crate::store::keys::Keys;
use crate::store::onboarding_profiles;

/// The batches of a job, in order.
pub enum Source {
    Replay(ReplaySource),
    Backfill(Backfill),
    Recompute(Recompute),
    Republish(Republish),
    TopicAhead(TopicAhead),
    Deferred(Deferred),
}

impl Source {
    /// Opens the `parts` of a job that are not done, at their positions. `keys` are its users, if it works through
    /// users.
    ///
    /// # Errors
    /// The database does not answer, or the job was started with another catalog.
    pub async fn open(means: &Means, what: &What, id: Uuid, parts: &[Part], keys: Option<Keys>) -> Result<Self, Halt> {
        let left: Vec<Part> = parts.iter().filter(|part| !part.done).cloned().collect();
        let users = |keys: Option<Keys>| {
            let part = left.iter().find(|part| part.name == users::PART);
            let after = part.map_or("", |part| part.position.as_str());
            let mut users = Users::new(&means.store, keys.unwrap_or(Keys::Given(Vec::new())), after);
            users.is_done = part.is_none();
            users
        };
        Ok(match what {
            What::Replay(replay) => Self::Replay(ReplaySource::open(means, replay, &left)),
            What::Backfill(which) => Self::Backfill(Backfill {
                users: users(keys),
                which: which.clone(),
                has_births: onboarding_profiles::has_births(&means.store.pool).await?,
                max_future_ms: means.decoder.limits.max_future_ms,
            }),
            What::Recompute { which, catalog_version } => {
                let ours = means.store.catalog.version();
                if ours != *catalog_version {
                    return Err(Halt::Refused(format!(
                        "the job scores with version {catalog_version} of the catalog, but version {ours} is configured"
                    )));
                }
                let cause = JobCause { id, trigger: what.trigger() };
                Self::Recompute(Recompute { users: users(keys), which: which.clone(), cause })
            }
            What::Republish(RepublishUsers::TopicAhead) => {
                let cause = JobCause { id, trigger: what.trigger() };
                Self::TopicAhead(TopicAhead::open(means, cause, users(keys)).await?)
            }
            What::Republish(_) => Self::Republish(Republish { users: users(keys) }),
        })
    }

    /// The next batch, of about `most` items at most; `None` after the last.
    ///
    /// # Errors
    /// A dependency is unavailable, or a stop was requested.
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        match self {
            Self::Replay(replay) => replay.next(most).await,
            Self::Backfill(backfill) => backfill.next(most).await,
            Self::Recompute(recompute) => recompute.next(most).await,
            Self::Republish(republish) => republish.next(most).await,
            Self::TopicAhead(ahead) => ahead.next(most).await,
            Self::Deferred(deferred) => deferred.next(most).await,
        }
    }
}
