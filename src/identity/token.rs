//! A token, or the reason why there is none.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The deadline of a request for a token, and how long a client waits for the first one.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The part of its life that a token is used for before the next is requested. Clients of Kafka want one after 80 %.
const USED: f64 = 0.7;

/// A token. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    /// The client's own name for itself, for logs of the broker's client.
    pub principal: String,
    expires_at: SystemTime,
    /// When the next one is to be requested.
    pub(super) renewed_at: SystemTime,
}

impl Token {
    /// A token that lives this long from now on.
    pub fn new(text: String, principal: String, life: Duration) -> Self {
        // No provider's number makes a time that cannot be represented.
        let (now, life) = (SystemTime::now(), life.min(Duration::from_secs(366 * 24 * 3600)));
        Self { text, principal, expires_at: now + life, renewed_at: now + life.mul_f64(USED) }
    }

    /// The token itself, for the request that needs it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How long it is still valid.
    pub fn left(&self) -> Duration {
        left(self.expires_at)
    }

    /// The end of its life, Unix time in ms.
    pub fn expires_at_ms(&self) -> i64 {
        let since_epoch = self.expires_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Token").field("left", &self.left()).finish_non_exhaustive()
    }
}

pub(super) fn left(until: SystemTime) -> Duration {
    until.duration_since(SystemTime::now()).unwrap_or_default()
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It does not answer, or not as an identity provider does.
    #[error("the identity provider is unavailable: {0}")]
    Unavailable(String),
    #[error("the identity provider refuses this client: {0}")]
    Refused(String),
}
