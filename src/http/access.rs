//! Who may read about users: nobody unless a token or an explicit switch says so.

use std::fmt;

use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// The rule for routes that show a user's data.
#[derive(Clone)]
pub enum Access {
    /// Neither a token nor the switch is configured.
    Closed,
    /// A bearer token; only its hash is kept.
    Token([u8; 32]),
    /// Everybody who reaches the port.
    Open,
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Closed => "Closed",
            Self::Token(_) => "Token(***)",
            Self::Open => "Open",
        })
    }
}

impl Access {
    /// Access with this token.
    pub fn token(token: &str) -> Self {
        Self::Token(Sha256::digest(token.as_bytes()).into())
    }

    /// Lets the request through or says why not.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::Open => Ok(()),
            Self::Closed => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "reading about users is off; set http.token, or http.open to let everybody read",
            )),
            Self::Token(expected) => {
                let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                let presented = presented.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
                // Hashes are compared, so how long it takes tells nothing about the token.
                let presented: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
                if presented == *expected {
                    Ok(())
                } else {
                    Err(Problem::new(StatusCode::UNAUTHORIZED, "a valid bearer token is needed"))
                }
            }
        }
    }
}
