//! The sources of a job's batches.

use uuid::Uuid;

use super::Means;
use super::backfill::Backfill;
use super::batch::Batch;
use super::deferred::{self, Deferred};
use super::recompute::Recompute;
use super::records::Records;
use super::republish::Republish;
use super::spec::{RepublishUsers, What};
use super::topic_ahead::{self, Ahead, TopicAhead};
use super::users::Users;
use super::{redrive, replay};
use crate::domain::fold::JobCause;
use crate::domain::sample::Sample;
use crate::runtime::halt::Halt;
use crate::store::jobs::Part;
use crate::store::keys::{KeyRange, Keys};
use crate::store::onboarding_profiles;

/// The users of a job.
#[derive(Debug, Clone)]
pub enum Chosen {
    Keys(Keys),
    /// Found before the job began, so that the topic is read once.
    Ahead(Ahead),
}

/// The batches of a job, in order.
pub enum Source {
    Records(Records),
    Backfill(Backfill),
    Recompute(Recompute),
    Republish(Republish),
    TopicAhead(TopicAhead),
    Deferred(Deferred),
}

impl Source {
    /// The sources of the `parts` of a job that are not done, from their positions on: one a range of users, or one for all
    /// offsets. `chosen` are its users, if it works through users; only those in `sample` are met.
    ///
    /// # Errors
    /// A dependency is unavailable, or the job was started with another catalog.
    pub async fn open(
        means: &Means,
        what: &What,
        id: Uuid,
        parts: &[Part],
        chosen: Option<Chosen>,
        sample: Sample,
    ) -> Result<Vec<Self>, Halt> {
        let (keys, ahead) = match chosen {
            Some(Chosen::Keys(keys)) => (keys, None),
            Some(Chosen::Ahead(ahead)) => (Keys::Given(Vec::new()), Some(ahead)),
            None => (Keys::Given(Vec::new()), None),
        };
        let mut left = parts.iter().filter(|part| !part.done && part.name != deferred::PART);
        let users = |part: &Part| {
            let range = KeyRange { after: part.position.clone(), until: part.until.clone() };
            Users::new(&means.store, keys.clone(), &part.name, range, sample)
        };
        let cause = JobCause { id, trigger: what.trigger() };
        Ok(match what {
            What::Replay(replay) => {
                vec![Self::Records(replay::source::open(means, replay, &left.collect::<Vec<_>>(), sample))]
            }
            What::Redrive(redrive) => vec![Self::Records(redrive::source::open(means, redrive, parts).await?)],
            What::Backfill(which) => {
                let has_births = onboarding_profiles::has_births(&means.store.pool).await?;
                let max_future_ms = means.decoder.limits.max_future_ms;
                let backfill = |part| Backfill { users: users(part), which: which.clone(), has_births, max_future_ms };
                left.map(|part| Self::Backfill(backfill(part))).collect()
            }
            What::Recompute { which, catalog_version } => {
                refuse_other_catalog(means.store.catalog.version(), *catalog_version)?;
                let recompute = |part| Recompute { users: users(part), which: which.clone(), cause };
                left.map(|part| Self::Recompute(recompute(part))).collect()
            }
            What::Republish(RepublishUsers::TopicAhead) => {
                let Some(part) = left.next() else { return Ok(Vec::new()) };
                let ahead = match ahead {
                    Some(ahead) => ahead,
                    None => topic_ahead::find(means).await?,
                };
                vec![Self::TopicAhead(TopicAhead::of(ahead, cause, users(part)))]
            }
            What::Republish(_) => left.map(|part| Self::Republish(Republish { users: users(part) })).collect(),
        })
    }

    /// The next batch, of about `most` items at most; `None` after the last.
    ///
    /// # Errors
    /// A dependency is unavailable, or a stop was requested.
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        match self {
            Self::Records(records) => records.next(most).await,
            Self::Backfill(backfill) => backfill.next(most).await,
            Self::Recompute(recompute) => recompute.next(most).await,
            Self::Republish(republish) => republish.next(most).await,
            Self::TopicAhead(ahead) => ahead.next(most).await,
            Self::Deferred(deferred) => deferred.next(most).await,
        }
    }
}

fn refuse_other_catalog(ours: u32, of_job: u32) -> Result<(), Halt> {
    if ours == of_job {
        return Ok(());
    }
    Err(Halt::Refused(format!("the job scores with version {of_job} of the catalog, but version {ours} is configured")))
}
