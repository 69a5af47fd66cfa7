//! Hands committed outbox rows from the writers to the publisher.
//!
//! A row has one change or hundreds, and each change takes some kilobytes until it is published. So the bound is on changes, not
//! on rows: a writer waits for room, and the memory of a publisher that lags does not grow.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::runtime::stop::Stop;
use crate::store::outbox::{Content, Publication};

/// How many changes may be in flight, those being published included: more than two rounds of the publisher commit.
const MOST_CHANGES: u32 = 2048;

/// The writers' end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handover {
    rows: mpsc::UnboundedSender<HandedOver>,
    room: Arc<Semaphore>,
}

/// The publisher's end.
pub(crate) type Arrivals = mpsc::UnboundedReceiver<HandedOver>;

/// A row in flight.
#[derive(Debug)]
pub struct HandedOver {
    pub publication: Publication,
    /// Held until the row is published.
    pub room: OwnedSemaphorePermit,
}

/// The publisher has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// Creates a handover and its receiving end.
pub fn handover() -> (Handover, Arrivals) {
    let (rows, arrivals) = mpsc::unbounded_channel();
    (Handover { rows, room: Arc::new(Semaphore::new(MOST_CHANGES as usize)) }, arrivals)
}

impl Handover {
    /// Hands rows to the publisher, waiting for room. Rows that are not handed over stay in the outbox.
    pub(crate) async fn hand_over(&self, publications: Vec<Publication>, stop: &Stop) {
        for publication in publications {
            tokio::select! {
                sent = self.send(publication) => {
                    if sent.is_err() {
                        return;
                    }
                }
                () = stop.abandoned() => return,
            }
        }
    }

    /// Hands a row over once there is room for it. A row larger than the whole room waits until nothing else is in flight.
    ///
    /// # Errors
    /// The publisher has ended.
    pub async fn send(&self, publication: Publication) -> Result<(), Gone> {
        let changes = match &publication.content {
            Content::Changes(changes) => changes.len(),
            Content::Users(users) => users.len(),
        };
        let changes = u32::try_from(changes).unwrap_or(MOST_CHANGES).clamp(1, MOST_CHANGES);
        let room = Arc::clone(&self.room).acquire_many_owned(changes).await.map_err(|_| Gone)?;
        self.rows.send(HandedOver { publication, room }).map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_CHANGES, handover};
    use crate::domain::event::UserId;
    use crate::store::outbox::{Content, Publication, RowKey};
    use sqlx::types::time::OffsetDateTime;

    fn row(id: i64, users: u32) -> Publication {
        let user = UserId::new("ann").expect("a valid id");
        let key = RowKey { id, created_at: OffsetDateTime::UNIX_EPOCH };
        Publication { key, content: Content::Users(vec![user; users as usize]), since: None }
    }

    #[tokio::test]
    async fn a_writer_waits_for_room_and_a_row_larger_than_the_room_goes_alone() {
        let (handover, mut arrivals) = handover();
        handover.send(row(1, MOST_CHANGES - 1)).await.expect("there is room");
        handover.send(row(2, 1)).await.expect("there is room");
        let third = tokio::spawn({
            let handover = handover.clone();
            async move { handover.send(row(3, 2 * MOST_CHANGES)).await }
        });
        let (first, second) = (arrivals.recv().await.expect("sent"), arrivals.recv().await.expect("sent"));
        assert_eq!((first.publication.key.id, second.publication.key.id), (1, 2));
        drop(first);
        tokio::task::yield_now().await;
        assert!(arrivals.try_recv().is_err(), "the second is not published yet");
        drop(second);
        assert_eq!(arrivals.recv().await.map(|row| row.publication.key.id), Some(3));
        third.await.expect("no panic").expect("it was taken");
        drop(arrivals);
        assert!(handover.send(row(4, 1)).await.is_err());
    }
}
