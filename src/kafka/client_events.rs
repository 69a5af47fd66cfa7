//! The events that every client reports: log lines, errors, refusals of the brokers, and requests for a token.

use std::error::Error;
use std::sync::Arc;

use rdkafka::ClientContext;
use rdkafka::client::{Client, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use super::ffi;
use crate::identity::token::Failure;
use crate::identity::tokens::Tokens;

/// Logs the events of a client, and keeps the reason why the brokers refuse it.
#[derive(Debug, Clone)]
pub struct ClientEvents {
    client: &'static str,
    reported: Arc<watch::Sender<ReportedRefusal>>,
    tokens: Option<Tokens>,
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
    /// `client` names the client in the log. It logs in with `tokens` where the mechanism is OAUTHBEARER.
    pub(super) fn new(client: &'static str, tokens: Option<Tokens>) -> Self {
        Self { client, reported: Arc::default(), tokens }
    }

    /// Why this client has no token to log in with, where it needs one.
    pub(super) fn token_failure(&self) -> Option<Failure> {
        self.tokens.as_ref()?.failure()
    }

    /// Gives a client its token, where it logs in with one. To be called before each request of a client that is not polled: the
    /// callback reaches only those that are. Blocks while the first token is requested.
    ///
    /// # Errors
    /// There is no token; the text names the reason.
    pub(crate) fn identify(client: &Client<Self>) -> KafkaResult<()> {
        let Some(tokens) = &client.context().tokens else { return Ok(()) };
        let token = tokens.current().map_err(|failure| KafkaError::ClientCreation(failure.to_string()))?;
        ffi::set_token(client, &token)
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
            // No broker refuses anything: the client has no token.
            Some(RDKafkaErrorCode::Authentication) if reason.starts_with(NO_TOKEN) => {}
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
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let token = self.tokens.as_ref().ok_or("no identity provider is configured")?.current()?;
        let (lifetime_ms, text) = (token.expires_at_ms(), token.text().to_owned());
        Ok(OAuthToken { lifetime_ms, token: text, principal_name: token.principal })
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_client_line(self.client, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.remember(&error, reason);
        log_client_error(self.client, &error, reason);
    }
}

impl ConsumerContext for ClientEvents {}

/// How librdkafka begins its error for a client without a token.
const NO_TOKEN: &str = "Failed to acquire SASL OAUTHBEARER token";

/// Logs a line of librdkafka's log. Its errors are often retried by itself, so they are logged as warnings.
fn log_client_line(client: &str, level: RDKafkaLogLevel, facility: &str, message: &str) {
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
fn log_client_error(client: &str, error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
        // Reported at every attempt. The cause for each broker is logged already, and the topic watch reports the outage.
        debug!(client, reason, "Kafka client");
    } else {
        warn!(client, %error, reason, "Kafka client");
    }
}

#[cfg(test)]
mod tests;
