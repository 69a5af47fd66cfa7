//! Access to users' data: closed unless a token or an explicit switch is configured.

use std::fmt;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::Problem;

/// The rule for routes that show a user's data.
#[derive(Clone)]
pub enum Access {
    /// Neither a token nor the switch is configured.
    Closed,
    /// A bearer token; only its hash is kept.
    Token([u8; 32]),
    /// Open to every client that reaches the port.
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

    /// Accepts the request, or returns the reason of its refusal.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::Open => Ok(()),
            Self::Closed => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "users' data are closed; set http.token, or http.allow_anonymous to open them to every client",
            )),
            Self::Token(expected) => {
                // Hashes are compared, so the duration of the comparison reveals nothing about the token.
                let presented: [u8; 32] = Sha256::digest(presented(headers).unwrap_or_default()).into();
                if presented == *expected {
                    Ok(())
                } else {
                    Err(Problem::new(StatusCode::UNAUTHORIZED, "a valid bearer token is needed"))
                }
            }
        }
    }
}

/// The token: a bearer token, or the password of Basic authentication with any name, as browsers send it.
fn presented(headers: &HeaderMap) -> Option<Vec<u8>> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(token) = text.strip_prefix("Bearer ") {
        return Some(token.as_bytes().to_vec());
    }
    let name_and_password = BASE64.decode(text.strip_prefix("Basic ")?).ok()?;
    let colon = name_and_password.iter().position(|byte| *byte == b':')?;
    name_and_password.get(colon + 1..).map(<[u8]>::to_vec)
}
