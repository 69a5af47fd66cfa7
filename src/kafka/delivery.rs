//! The fates of records that are handed to the client together. Each is taken down as the client tells it, on a thread of
//! the client's; who waits for them is woken once, by the last.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::oneshot;

/// What became of a record: its time as the topic has it, Unix time in ms, or why it is not there.
pub type Fate = Result<Option<i64>, KafkaError>;

/// Records whose fates are not all known yet. The client holds it for as long as it has one of them, whoever waits or does not.
#[derive(Debug)]
struct Batch {
    fates: Vec<Fate>,
    open: usize,
    /// Who waits; nobody once all is told.
    told: Option<oneshot::Sender<Vec<Fate>>>,
}

/// The place of one record in its batch.
#[derive(Debug)]
pub struct Place {
    batch: Arc<Mutex<Batch>>,
    index: usize,
}

/// The end at which all fates of a batch arrive.
#[derive(Debug)]
pub struct Fates {
    count: usize,
    arrival: oneshot::Receiver<Vec<Fate>>,
}

/// Places for `count` records, in order, and their fates.
pub fn batch(count: usize) -> (impl Iterator<Item = Place>, Fates) {
    let (told, arrival) = oneshot::channel();
    let batch = Arc::new(Mutex::new(Batch { fates: vec![unknown(); count], open: count, told: Some(told) }));
    let places = (0..count).map(move |index| Place { batch: Arc::clone(&batch), index });
    (places, Fates { count, arrival })
}

/// What a record is taken for of which nothing was heard: it may be on the topic or not.
fn unknown() -> Fate {
    Err(KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue))
}

impl Place {
    /// Takes down what became of the record.
    pub fn settle(self, fate: Fate) {
        // What is behind the lock is whole at every moment.
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = batch.fates.get_mut(self.index) {
            *own = fate;
        }
        batch.open -= 1;
        if batch.open == 0 {
            let fates = std::mem::take(&mut batch.fates);
            if let Some(told) = batch.told.take() {
                // Whoever waited may have given up.
                let _ = told.send(fates);
            }
        }
    }
}

impl Fates {
    /// Waits until all are known; gives them in the records' order.
    pub async fn all(self) -> Vec<Fate> {
        if self.count == 0 {
            return Vec::new();
        }
        self.arrival.await.unwrap_or_else(|_| vec![unknown(); self.count])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: KafkaError = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);

    #[tokio::test]
    async fn the_last_record_to_be_told_wakes_who_waits_and_each_fate_stands_at_its_record() {
        let (places, fates) = batch(3);
        let mut places: Vec<Place> = places.collect();
        let waiting = tokio::spawn(fates.all());
        places.remove(1).settle(Err(FULL));
        places.remove(1).settle(Ok(Some(2)));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        places.remove(0).settle(Ok(None));
        assert_eq!(waiting.await.unwrap(), [Ok(None), Err(FULL), Ok(Some(2))]);
    }

    #[tokio::test]
    async fn a_batch_of_nothing_is_told_at_once() {
        let (mut places, fates) = batch(0);
        assert!(places.next().is_none());
        assert_eq!(fates.all().await, []);
    }

    #[test]
    fn what_is_told_after_the_waiting_was_given_up_is_let_go_with_the_last_place() {
        let (places, fates) = batch(2);
        let mut places: Vec<Place> = places.collect();
        let batch = Arc::downgrade(&places[0].batch);
        drop(fates);
        places.remove(0).settle(Ok(None));
        assert!(batch.upgrade().is_some(), "the client still has a record of it");
        places.remove(0).settle(Ok(None));
        assert!(batch.upgrade().is_none());
    }

    #[tokio::test]
    async fn records_of_which_nothing_is_ever_heard_count_as_purged() {
        let (places, fates) = batch(2);
        drop(places);
        assert_eq!(fates.all().await, [unknown(), unknown()]);
    }
}
