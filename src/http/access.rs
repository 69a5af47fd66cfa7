//! Access to users' data: closed unless a token or an explicit switch is configured.

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::Problem;
use crate::config::Secret;

/// The rule for routes that show a user's data.
#[derive(Debug, Clone)]
pub enum Access {
    /// Neither a token nor the switch is configured.
    Closed,
    /// A bearer token; one that stands in a file is read anew for every request.
    Token(Secret),
    /// Open to every client that reaches the port.
    Open,
}

impl Access {
    /// Accepts the request, or returns the reason of its refusal.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::Open => Ok(()),
            Self::Closed => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "users' data are closed; set http.token, or http.allow_anonymous to open them to every client",
            )),
            Self::Token(token) => {
                let token = token.current().map_err(|why| {
                    tracing::warn!(reason = why, "http.token cannot be read; users' data are closed");
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the token cannot be read; the log has the reason")
                })?;
                let expected: [u8; 32] = Sha256::digest(token).into();
                // Hashes are compared, so the duration of the comparison reveals nothing about the token.
                let presented: [u8; 32] = Sha256::digest(presented(headers).unwrap_or_default()).into();
                if presented == expected {
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
