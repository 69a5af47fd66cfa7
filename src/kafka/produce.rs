//! Producing a list of records and learning the fate of each.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::client::ClientEvents;

/// The producer of this process for one purpose.
pub type Producer = FutureProducer<ClientEvents>;

/// A record to produce; it is stamped with the wall clock, since an old time would meet the topic's retention at once.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: OwnedHeaders,
}

/// Hands all records to the client in their order, then waits for each acknowledgement.
pub async fn produce_all(producer: &Producer, topic: &str, records: Vec<Outgoing>) -> Vec<Result<(), KafkaError>> {
    let mut deliveries = Vec::with_capacity(records.len());
    for Outgoing { key, value, headers } in records {
        let mut future_record = FutureRecord::<[u8], [u8]>::to(topic).headers(headers);
        future_record.key = key.as_deref();
        future_record.payload = value.as_deref();
        deliveries.push(producer.send_result(future_record).map_err(|(error, _)| error));
    }
    let mut fates = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        fates.push(match delivery {
            Err(error) => Err(error),
            Ok(delivery) => match delivery.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err((error, _))) => Err(error),
                Err(_cancelled) => Err(KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue)),
            },
        });
    }
    fates
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
