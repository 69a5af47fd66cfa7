//! Saying once more what was said last of users: an outbox row that names them, with the position of the job that asks.

use super::Store;
use super::error::StoreError;
use super::jobs::{self, Checkpoint};
use super::outbox::{self, Content, Publication};
use super::sql;
use crate::event::UserId;

impl Store {
    /// Puts `users` into the outbox, leased to this process, together with `checkpoint`.
    ///
    /// # Errors
    /// The database does not answer, or the job has another owner by now.
    pub async fn say_again(
        &self,
        users: &[UserId],
        checkpoint: &Checkpoint,
    ) -> Result<Option<Publication>, StoreError> {
        let write = async {
            let mut transaction = sql::begin_in(&self.pool).await?;
            let publication = if users.is_empty() {
                None
            } else {
                let id = outbox::insert_users(&mut transaction, self.owner, self.lease, users).await?;
                Some(Publication { id, content: Content::Users(users.to_vec()) })
            };
            jobs::checkpoint(&mut transaction, checkpoint).await?;
            transaction.commit().await?;
            Ok(publication)
        };
        tokio::time::timeout(self.deadline, write).await.unwrap_or(Err(StoreError::TimedOut(self.deadline)))
    }
}
