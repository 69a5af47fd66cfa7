//! Publishes the current rankings of users once more: for a new consumer, or after the topic was lost.

use uuid::Uuid;

use super::batch::{Batch, Work};
use super::users::Users;
use crate::domain::event::UserId;
use crate::domain::fold::JobCause;
use crate::domain::ranking_change::Trigger;
use crate::output::retry_until_deadline;
use crate::runtime::halt::Halt;
use crate::store::jobs::Counts;
use crate::store::task::Rescoring;
use crate::store::user_status::{self, UserStatus};

/// States by key.
pub struct Republish {
    pub users: Users,
}

impl Republish {
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        let Some(page) = self.users.next(most).await? else { return Ok(None) };
        let (mut again, mut anew) = (Vec::new(), Vec::new());
        let statuses = retry_until_deadline("PostgreSQL", || user_status::read(self.users.pool(), &page.users)).await?;
        for status in statuses {
            let Some(user) = UserId::new(&status.user) else { continue };
            match unpublished(&status) {
                Some(cause) => anew.push(Rescoring { user, cause, repair: false }),
                None if status.is_published => again.push(user),
                None => {}
            }
        }
        let mut counts = Counts { items: again.len() as u64, applied: again.len() as u64, ..Counts::default() };
        (again.len() + anew.len()..page.users.len()).for_each(|_| counts.skip());
        Ok(Some(page.batch(counts, Work::Republish { again, anew }, Vec::new())))
    }
}

/// The cause of a deferred change that is still unpublished.
fn unpublished(status: &UserStatus) -> Option<JobCause> {
    let id: Uuid = status.job?;
    let trigger = match status.job_kind.as_deref() {
        Some("replay") => Trigger::Replay,
        Some("backfill") => Trigger::Backfill,
        _ => Trigger::Recompute,
    };
    Some(JobCause { id, trigger })
}
