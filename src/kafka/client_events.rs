//! The events that every client reports: log lines, errors, and refusals of the brokers.

use std::sync::Arc;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

/// Logs what a client reports of itself, and keeps why the brokers do not let it in.
#[derive(Debug, Clone)]
pub struct ClientEvents {
    client: &'static str,
    reported: Arc<watch::Sender<ReportedRefusal>>,
}

/// What the brokers, or our own check of their certificates, have against a client.
#[derive(Debug, Default)]
struct ReportedRefusal {
    /// The last refusal; nothing where brokers were not even reached since.
    refusal: Option<String>,
    /// All brokers have been tried since.
    by_all: bool,
}

impl ClientEvents {
    /// Reports under `client`, which is one of this process's.
    pub fn new(client: &'static str) -> Self {
        Self { client, reported: Arc::default() }
    }

    /// What the brokers, or our own check of their certificate, last had against us; nothing where they were not even
    /// reached since.
    pub fn refusal(&self) -> Option<String> {
        self.reported.borrow().refusal.clone()
    }

    /// Waits for a [`refusal`](Self::refusal) after which no broker is left that could answer otherwise.
    pub async fn refused_by_all(&self) -> String {
        let mut reported = self.reported.subscribe();
        loop {
            if let Some(refusal) = reported.borrow_and_update().by_all_refusal() {
                return refusal;
            }
            if reported.changed().await.is_err() {
                // Who could report is gone; nothing will be reported.
                std::future::pending::<()>().await;
            }
        }
    }

    fn remember(&self, error: &KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => {
                self.reported.send_replace(ReportedRefusal { refusal: Some(reason.to_owned()), by_all: false });
            }
            // A handshake that failed is told in either way.
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

/// A line of librdkafka's log. What it calls an error is often its own retry, so nothing is raised above a warning.
pub fn log_client_line(client: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            error!(client, facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => warn!(client, facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => info!(client, facility, "{message}"),
        RDKafkaLogLevel::Debug => debug!(client, facility, "{message}"),
    }
}

/// An error event: brokers that are unavailable and the like, of which the client recovers by itself.
pub fn log_client_error(client: &str, error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
        // Told at every attempt. Why each broker is down was published, and the watch over the topics says that nobody answers.
        debug!(client, reason, "Kafka client");
    } else {
        warn!(client, %error, reason, "Kafka client");
    }
}

#[cfg(test)]
mod tests;
