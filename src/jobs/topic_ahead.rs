//! Users that segment-changed is ahead of: the database went back in time. A lost erasure is applied again; of all others the
//! present ranking is published above the topic's revision.

use std::collections::HashMap;

use super::batch::{Batch, Work};
use super::users::Users;
use super::{Means, blocking};
use crate::domain::event::UserId;
use crate::domain::fold::{JobCause, TopicRecord};
use crate::output::retry_until_deadline;
use crate::publish::topic_revisions::TopicRevisions;
use crate::runtime::halt::Halt;
use crate::store::jobs::Counts;
use crate::store::keys::Keys;
use crate::store::task::PublishAbove;
use crate::store::user_status;

/// The users that the topic is ahead of, with what it shows of them.
pub type Ahead = HashMap<String, TopicRecord>;

/// The users by key.
pub struct TopicAhead {
    users: Users,
    ahead: Ahead,
    cause: JobCause,
}

/// The number of users in one query.
const CHUNK: usize = 5_000;

/// Reads the topic, then the database: users are ahead whatever happens meanwhile, since a change is committed before it is
/// published. Users of whom the database knows nothing are left out; their ranking may be another database's.
///
/// # Errors
/// The brokers or the database are unavailable.
pub async fn find(means: &Means) -> Result<Ahead, Halt> {
    let source = means.source_of(means.output.topics.segment_changed.clone());
    let reading = blocking(move || {
        let mut topic = TopicRevisions::new(source);
        topic.read_on().map(|()| topic.users)
    });
    let records = reading.await??;
    let users: Vec<&str> = records.keys().map(|user| &**user).collect();
    let mut ahead = Ahead::new();
    for chunk in users.chunks(CHUNK) {
        let pool = &means.store.pool;
        let known = retry_until_deadline("PostgreSQL", || user_status::published(pool, chunk)).await?;
        for (user, known) in chunk.iter().zip(known) {
            if let Some(last) = records.get(*user).filter(|last| last.is_ahead_of(&known)) {
                ahead.insert((*user).to_owned(), last.record());
            }
        }
    }
    Ok(ahead)
}

impl TopicAhead {
    /// Those of `ahead` in the rest of `users`.
    pub fn of(ahead: Ahead, cause: JobCause, mut users: Users) -> Self {
        let mut keys: Vec<String> = ahead.keys().cloned().collect();
        keys.sort_unstable();
        users.keys = Keys::Given(keys);
        Self { users, ahead, cause }
    }

    pub async fn next(&mut self, most: usize) -> Result<Option<Batch>, Halt> {
        let Some(page) = self.users.next(most).await? else { return Ok(None) };
        let publish = |user: &String| {
            let ahead = *self.ahead.get(user)?;
            Some(PublishAbove { user: UserId::new(user)?, ahead, cause: self.cause })
        };
        let work = Work::PublishAbove(page.users.iter().filter_map(publish).collect());
        Ok(Some(page.batch(Counts::default(), work, Vec::new())))
    }
}
