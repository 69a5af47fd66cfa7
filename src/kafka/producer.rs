//! The client that produces, with the thread that hears what became of its records, and the records that are produced.

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

/// What became of a record: its time as the topic has it, Unix time in ms, or why it is not there.
type Delivery = KafkaResult<Option<i64>>;

/// How long the thread waits for news at a time. The `rdkafka` crate turns for the last millisecond of every wait, so that
/// its own `ThreadedProducer`, which waits for a tenth of a second, takes 0.8 % of a core with nothing to do. It is also how long the
/// last handle may take to go.
const WAIT: Duration = Duration::from_millis(300);

/// The producer of this process for one purpose. Cheap to clone; the client goes with the last of them.
#[derive(Clone)]
pub struct Producer(Arc<Polled>);

struct Polled {
    client: Arc<BaseProducer<ClientEvents>>,
    done: Arc<AtomicBool>,
    polling: Option<JoinHandle<()>>,
}

impl Producer {
    /// # Errors
    /// The configuration is refused, or there is no thread to be had.
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

/// A record to produce; it is stamped with the wall clock, since an old time would meet the topic's retention at once.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: OwnedHeaders,
}

impl Producer {
    /// Hands all records to the client in their order, then waits for each acknowledgement.
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

    /// Hands one record to the client, which copies it, at once; its delivery can be waited for.
    pub fn send_one(&self, record: BaseRecord<'_, [u8], [u8]>) -> impl Future<Output = Delivery> + use<> {
        let (sender, delivery) = oneshot::channel();
        let BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque: () } = record;
        let delivery_opaque = Box::new(sender);
        let record = BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque };
        let refused = self.send(record).err().map(|(error, _)| error);
        async move {
            match refused {
                Some(error) => Err(error),
                // Of which nothing is heard may be on the topic or not.
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
        // Whoever waited may have given up.
        let _ = sender.send(match result {
            Ok(message) => Ok(message.timestamp().to_millis()),
            Err((error, _)) => Err(error.clone()),
        });
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

impl Deref for Producer {
    type Target = BaseProducer<ClientEvents>;

    fn deref(&self) -> &Self::Target {
        &self.0.client
    }
}

impl Drop for Polled {
    /// Waits for the thread, since the process may end next, and nothing of the client may be at work then.
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(polling) = self.polling.take() {
            // It fails where polling panicked, which has been told.
            let _ = polling.join();
        }
    }
}
