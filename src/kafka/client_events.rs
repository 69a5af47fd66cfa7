//! The events that every client reports: log lines, errors, and refusals of the brokers.

use std::sync::Arc;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

/// Logs the events of a client, and keeps the reason why the brokers refuse it.
#[derive(Debug, Clone)]
pub struct ClientEvents {
    client: &'static str,
    reported: Arc<watch::Sender<ReportedRefusal>>,
}

/// Why the brokers refuse a client, or why the client rejects their certificates.
#[derive(Debug, Default)]
struct ReportedRefusal {
    /// The last refusal; `None` if a broker could not be reached since.
    refusal: Option<String>,
    /// All brokers have been tried since.
    by_all: bool,
}

impl ClientEvents {
    /// `client` names the client in the log.
    pub fn new(client: &'static str) -> Self {
        Self { client, reported: Arc::default() }
    }

    /// The last refusal by a broker, or by the client's check of its certificate; `None` if a broker could not be reached
    /// since.
    pub fn refusal(&self) -> Option<String> {
        self.reported.borrow().refusal.clone()
    }

    /// Waits until every broker has been tried and the last answer is a [`refusal`](Self::refusal).
    pub(crate) async fn refused_by_all(&self) -> String {
        let mut reported = self.reported.subscribe();
        loop {
            if let Some(refusal) = reported.borrow_and_update().by_all_refusal() {
                return refusal;
            }
            if reported.changed().await.is_err() {
                // The sender is gone; nothing will be reported.
                std::future::pending::<()>().await;
            }
        }
    }

    fn remember(&self, error: &KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => {
                self.reported.send_replace(ReportedRefusal { refusal: Some(reason.to_owned()), by_all: false });
            }
            // A failed handshake is reported under either code.
            Some(RDKafkaErrorCode::BrokerTransportFailure) if !reason.contains("SSL") => {
                self.reported.send_replace(ReportedRefusal::default());
            }
            Some(RDKafkaErrorCode::AllBrokersDown) => self.reported.send_modify(|reported| reported.by_all = true),
            _ => {}
        }
    }
}

impl ReportedRefusal {
    fn by_all_refusal(&self) -> Option<String> {
        self.refusal.clone().filter(|_| self.by_all)
    }
}

impl ClientContext for ClientEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_client_line(self.client, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.remember(&error, reason);
        log_client_error(self.client, &error, reason);
    }
}

impl ConsumerContext for ClientEvents {}

/// Logs a line of librdkafka's log. Its errors are often retried by itself, so they are logged as warnings.
pub(crate) fn log_client_line(client: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            error!(client, facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => warn!(client, facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => info!(client, facility, "{message}"),
        RDKafkaLogLevel::Debug => debug!(client, facility, "{message}"),
    }
}

/// Logs an error event, such as an unavailable broker; the client recovers by itself.
pub(crate) fn log_client_error(client: &str, error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
        // Reported at every attempt. The cause for each broker is logged already, and the topic watch reports the outage.
        debug!(client, reason, "Kafka client");
    } else {
        warn!(client, %error, reason, "Kafka client");
    }
}

#[cfg(test)]
mod tests;
