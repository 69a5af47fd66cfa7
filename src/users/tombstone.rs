//! ChangeBody to the input topics that a user is erased.

use rdkafka::error::KafkaError;
use rdkafka::producer::BaseRecord;

use crate::domain::event::{Kind, Millis, UserId};
use crate::kafka::client::Topics;
use crate::kafka::producer::Producer;

/// Produces a tombstone under the user's id to both input topics, dated `at`, and waits for the acknowledgements.
///
/// Gives the earlier of their times: `at`, unless a topic stamps its records itself, by the broker's clock.
///
/// # Errors
/// What the broker published of the first that was not accepted; the other may have been.
pub async fn produce(producer: &Producer, topics: &Topics, user: &UserId, at: Millis) -> Result<Millis, KafkaError> {
    let mut earliest = at;
    for kind in [Kind::OnboardingCompleted, Kind::ProfileUpdated] {
        let record = BaseRecord::<[u8], [u8]>::to(topics.input(kind)).key(user.as_str().as_bytes());
        let delivery = producer.send_one(record.timestamp(at.0)).await;
        earliest = earliest.min(delivery?.map_or(at, Millis));
    }
    Ok(earliest)
}
