//! The client that produces, with the thread that hears what became of its records.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::BaseProducer;

use super::client::ClientEvents;

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
