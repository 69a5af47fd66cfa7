//! Produces the tombstone of a user to the input topics.

use rdkafka::error::KafkaError;
use rdkafka::producer::BaseRecord;

use crate::domain::event::{Kind, Millis, UserId};
use crate::kafka::client::Topics;
use crate::kafka::producer::Producer;

/// Produces a tombstone under the user's id to both input topics, dated `at`, and waits for the acknowledgements.
///
/// Returns the earlier of their times: `at`, unless a topic uses the broker's clock (LogAppendTime).
///
/// # Errors
/// The broker's error for the first record that was not accepted; the other one may have been accepted.
pub async fn produce(producer: &Producer, topics: &Topics, user: &UserId, at: Millis) -> Result<Millis, KafkaError> {
    let mut earliest = at;
    for kind in Kind::ALL {
        let record = BaseRecord::<[u8], [u8]>::to(topics.input(kind)).key(user.as_str().as_bytes());
        let delivery = producer.send_one(record.timestamp(at.0)).await;
        earliest = earliest.min(delivery?.map_or(at, Millis));
    }
    Ok(earliest)
}
