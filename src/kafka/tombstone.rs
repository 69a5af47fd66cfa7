//! Saying to the input topics that a user is erased.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::FutureRecord;

use super::client::Topics;
use super::produce::Producer;
use crate::event::{Kind, Millis, UserId};

/// Produces a null record under the user's id to both input topics, dated `at`, and waits for the acknowledgements.
///
/// Gives the earlier of their times: `at`, unless a topic stamps its records itself, by the broker's clock.
///
/// # Errors
/// What the broker said of the first that was not accepted; the other may have been.
pub async fn produce(producer: &Producer, topics: &Topics, user: &UserId, at: Millis) -> Result<Millis, KafkaError> {
    let mut earliest = at;
    for kind in [Kind::OnboardingCompleted, Kind::ProfileUpdated] {
        let record = FutureRecord::<[u8], [u8]>::to(topics.input(kind)).key(user.as_str().as_bytes()).timestamp(at.0);
        let delivery = producer.send_result(record).map_err(|(error, _)| error)?;
        match delivery.await {
            Ok(Ok(delivered)) => {
                earliest = earliest.min(delivered.timestamp.to_millis().map_or(at, Millis));
            }
            Ok(Err((error, _))) => return Err(error),
            Err(_cancelled) => return Err(KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue)),
        }
    }
    Ok(earliest)
}
