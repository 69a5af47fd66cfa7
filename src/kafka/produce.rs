//! Producing a list of records and learning the fate of each.

use bytes::Bytes;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext};

use super::client::ClientEvents;
use super::delivery::{self, Place};
use super::producer::Producer;

impl ProducerContext for ClientEvents {
    type DeliveryOpaque = Box<Place>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Box<Place>) {
        place.settle(match result {
            Ok(message) => Ok(message.timestamp().to_millis()),
            Err((error, _)) => Err(error.clone()),
        });
    }
}

/// A record to produce; it is stamped with the wall clock, since an old time would meet the topic's retention at once.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub key: Option<Vec<u8>>,
    pub value: Option<Bytes>,
    pub headers: OwnedHeaders,
}

/// Hands all records to the client in their order, then waits for each acknowledgement.
pub async fn produce_all(producer: &Producer, topic: &str, records: Vec<Outgoing>) -> Vec<Result<(), KafkaError>> {
    let (places, fates) = delivery::batch(records.len());
    for (Outgoing { key, value, headers }, place) in records.into_iter().zip(places) {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).headers(headers);
        record.key = key.as_deref();
        record.payload = value.as_deref();
        send(producer, record, place);
    }
    fates.all().await.into_iter().map(|fate| fate.map(drop)).collect()
}

/// Hands one record to the client, which copies it. What becomes of it is told at `place`, at once where it is not taken.
pub fn send(producer: &Producer, record: BaseRecord<'_, [u8], [u8]>, place: Place) {
    let BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque: () } = record;
    let delivery_opaque = Box::new(place);
    let record = BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque };
    if let Err((error, refused)) = producer.send(record) {
        refused.delivery_opaque.settle(Err(error));
    }
}

/// Whether the record can never be accepted by the topic as it is.
pub fn is_too_large(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize)
    )
}

/// Why nothing may be produced to `topic`, if that is what the error says.
pub fn not_allowed(error: &KafkaError, topic: &str) -> Option<String> {
    let code = error.rdkafka_error_code()?;
    matches!(code, RDKafkaErrorCode::TopicAuthorizationFailed)
        .then(|| format!("not allowed to write to {topic}: {code}; grant Write on it"))
}

/// The reason, if the client has failed for good and only a new process helps.
pub fn fatal_reason(producer: &Producer) -> Option<String> {
    use rdkafka::producer::Producer as _;
    producer.client().fatal_error().map(|(code, reason)| format!("{code}: {reason}"))
}
