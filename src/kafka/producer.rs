//! The producing client, its polling thread for delivery reports, and the records to produce.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use tokio::sync::oneshot;

use super::client_events::ClientEvents;

/// A record's delivery report: its timestamp in the topic, Unix time in ms, or the error.
type Delivery = KafkaResult<Option<i64>>;

/// How long one poll waits for delivery reports. The `rdkafka` crate spins for the last millisecond of every poll, so its own
/// `ThreadedProducer`, which polls for 100 ms, takes 0.8 % of a core when idle. Dropping the last handle may take this long.
const WAIT: Duration = Duration::from_millis(300);

/// A producer. Cheap to clone; the client is dropped with the last clone.
#[derive(Clone)]
pub struct Producer(Arc<Polled>);

struct Polled {
    client: Arc<BaseProducer<ClientEvents>>,
    done: Arc<AtomicBool>,
    polling: Option<JoinHandle<()>>,
}

impl Producer {
    /// # Errors
    /// The configuration is invalid, or the polling thread cannot be started.
    pub fn new(config: &ClientConfig, events: ClientEvents) -> KafkaResult<Self> {
        let client = Arc::new(BaseProducer::from_config_and_context(config, events)?);
        let done = Arc::new(AtomicBool::new(false));
        let polling = thread::Builder::new().name("producer polling".to_owned()).spawn({
            let (client, done) = (Arc::clone(&client), Arc::clone(&done));
            move || {
                while !done.load(Ordering::Relaxed) {
                    client.poll(WAIT);
                }
            }
        });
        let polling =
            polling.map_err(|error| KafkaError::ClientCreation(format!("no thread for a producer: {error}")))?;
        Ok(Self(Arc::new(Polled { client, done, polling: Some(polling) })))
    }
}

/// A record to produce. Its timestamp is the wall clock: with an old one, retention would delete it at once.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: OwnedHeaders,
}

impl Producer {
    /// Queues all records in order, then waits for every acknowledgement.
    pub async fn produce_all(&self, topic: &str, records: Vec<Outgoing>) -> Vec<KafkaResult<()>> {
        let send = |Outgoing { key, value, headers }: Outgoing| {
            let mut record = BaseRecord::<[u8], [u8]>::to(topic).headers(headers);
            record.key = key.as_deref();
            record.payload = value.as_deref();
            self.send_one(record)
        };
        let sent: Vec<_> = records.into_iter().map(send).collect();
        let mut deliveries = Vec::with_capacity(sent.len());
        for delivery in sent {
            deliveries.push(delivery.await.map(drop));
        }
        deliveries
    }

    /// Queues one record at once; the client copies it. The future completes with the delivery report.
    pub(crate) fn send_one(&self, record: BaseRecord<'_, [u8], [u8]>) -> impl Future<Output = Delivery> + use<> {
        let (sender, delivery) = oneshot::channel();
        let BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque: () } = record;
        let delivery_opaque = Box::new(sender);
        let record = BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque };
        let refused = self.send(record).err().map(|(error, _)| error);
        async move {
            match refused {
                Some(error) => Err(error),
                // Without a report the record may or may not be on the topic.
                None => delivery.await.unwrap_or(Err(KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue))),
            }
        }
    }

    /// The reason, if the client has failed for good and only a new process helps.
    pub fn fatal_reason(&self) -> Option<String> {
        self.client().fatal_error().map(|(code, reason)| format!("{code}: {reason}"))
    }
}

impl ProducerContext for ClientEvents {
    type DeliveryOpaque = Box<oneshot::Sender<Delivery>>;

    fn delivery(&self, result: &DeliveryResult<'_>, sender: Box<oneshot::Sender<Delivery>>) {
        // The receiver may be gone.
        let _ = sender.send(match result {
            Ok(message) => Ok(message.timestamp().to_millis()),
            Err((error, _)) => Err(error.clone()),
        });
    }
}

/// Whether the topic rejects the record for its size, which no retry changes.
pub(crate) fn is_too_large(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize)
    )
}

/// The explanation, if the error denies the right to write to `topic`.
pub(crate) fn not_allowed(error: &KafkaError, topic: &str) -> Option<String> {
    let code = error.rdkafka_error_code()?;
    matches!(code, RDKafkaErrorCode::TopicAuthorizationFailed)
        .then(|| format!("not allowed to write to {topic}: {code}; grant Write on it"))
}

impl Deref for Producer {
    type Target = BaseProducer<ClientEvents>;

    fn deref(&self) -> &Self::Target {
        &self.0.client
    }
}

impl Drop for Polled {
    /// Waits for the thread: the process may end next, and the client must not be running then.
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(polling) = self.polling.take() {
            // An error means that polling panicked, which has been logged.
            let _ = polling.join();
        }
    }
}
