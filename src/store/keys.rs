//! The users of a job by key, a page at a time. No transaction stays open between pages.

use crate::store::error::StoreError;
use crate::store::sql::Pool;
use uuid::Uuid;

use crate::domain::sample::Sample;

/// The set of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Users with a row in `travel_onboarding_profiles`.
    OnboardingProfiles,
    /// Users with a state.
    States,
    /// Users with this primary segment.
    Segment(String),
    /// Users on the list of a job.
    ListOf(Uuid),
    /// These, in bytewise order.
    Given(Vec<String>),
}

/// The most keys that one statement reads for a sample.
const MOST_KEYS: usize = 100_000;

/// A part of the users, and those of them that are in a sample.
#[derive(Debug)]
pub(crate) struct SampledPage {
    pub users: Vec<String>,
    /// The last user of the part, in the sample or not.
    pub last: String,
}

impl Keys {
    /// At most `limit` users after `after`, in the source's order.
    pub async fn page(&self, pool: &Pool, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let users = match self {
            Self::OnboardingProfiles => pool.query_scalar(
                r#"select "userId" from public.travel_onboarding_profiles where "userId" > $1 order by "userId" limit $2"#,
            )
            .bind(after)
            .bind(most),
            Self::States => {
                pool.query_scalar("select user_id from segmenter.profile_states where user_id > $1 order by user_id limit $2")
                    .bind(after)
                    .bind(most)
            }
            Self::Segment(segment) => pool.query_scalar(
                r#"select "userId" from public.user_vectors where "userId" > $1 and "primarySegment" = $3
                   order by "userId" limit $2"#,
            )
            .bind(after)
            .bind(most)
            .bind(segment),
            Self::ListOf(job) => pool.query_scalar(
                "select user_id from segmenter.job_users where job_id = $3 and user_id > $1 order by user_id limit $2",
            )
            .bind(after)
            .bind(most)
            .bind(job),
            Self::Given(users) => {
                let rest = users.iter().filter(|user| user.as_str() > after);
                return Ok(rest.take(limit).cloned().collect());
            }
        };
        pool.fetch_all(users).await
    }

    /// The users of the sample among the next users after `after`: about `wanted`, fewer where the sample is small. `None` after
    /// the last user.
    pub(crate) async fn sampled_page(
        &self,
        pool: &Pool,
        after: &str,
        sample: Sample,
        wanted: usize,
    ) -> Result<Option<SampledPage>, StoreError> {
        // A cast of a float saturates.
        let most = (wanted as f64 / sample.share()) as usize;
        let mut users = self.page(pool, after, most.min(MOST_KEYS)).await?;
        let Some(last) = users.last().cloned() else { return Ok(None) };
        users.retain(|user| sample.contains(user));
        Ok(Some(SampledPage { users, last }))
    }

    /// The present number of users.
    pub async fn count(&self, pool: &Pool) -> Result<u64, StoreError> {
        let count = match self {
            Self::OnboardingProfiles => pool.query_scalar("select count(*) from public.travel_onboarding_profiles"),
            Self::States => pool.query_scalar("select count(*) from segmenter.profile_states"),
            Self::Segment(segment) => pool
                .query_scalar(r#"select count(*) from public.user_vectors where "primarySegment" = $1"#)
                .bind(segment),
            Self::ListOf(job) => {
                pool.query_scalar("select count(*) from segmenter.job_users where job_id = $1").bind(job)
            }
            Self::Given(users) => return Ok(users.len() as u64),
        };
        let count: i64 = pool.fetch_one(count).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
