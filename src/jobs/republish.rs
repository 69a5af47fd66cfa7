//! Saying the present assignment of users once more: for a new recommender, or a topic that was lost.

use uuid::Uuid;

use super::batch::{Batch, Work};
use super::throttle::MOST_SAID;
use super::users::Users;
use crate::domain::event::UserId;
use crate::domain::fold::JobCause;
use crate::domain::ranking_change::Trigger;
use crate::output::patiently;
use crate::runtime::halt::Halt;
use crate::store::jobs::Counts;
use crate::store::task::Rescoring;
use crate::store::user_status::{self, Standing};

/// States by key.
pub struct Republish {
    pub users: Users,
}

impl Republish {
    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        let Some(page) = self.users.next(most.min(MOST_SAID)).await? else { return Ok(None) };
        let (mut again, mut anew) = (Vec::new(), Vec::new());
        let standings = patiently("PostgreSQL", || user_status::read(self.users.pool(), &page.users)).await?;
        for standing in standings {
            let Some(user) = UserId::new(&standing.user) else { continue };
            match owed(&standing) {
                Some(cause) => anew.push(Rescoring { user, cause, repair: false }),
                None if standing.is_said => again.push(user),
                None => {}
            }
        }
        let mut counts = Counts { items: again.len() as u64, applied: again.len() as u64, ..Counts::default() };
        (again.len() + anew.len()..page.users.len()).for_each(|_| counts.skip());
        Ok(Some(page.batch(counts, Work::Say { again, anew }, Vec::new())))
    }
}

/// What a change that was made quietly and never said is put down to.
fn owed(standing: &Standing) -> Option<JobCause> {
    let id: Uuid = standing.job?;
    let trigger = match standing.job_kind.as_deref() {
        Some("replay") => Trigger::Replay,
        Some("backfill") => Trigger::Backfill,
        _ => Trigger::Recompute,
    };
    Some(JobCause { id, trigger })
}
