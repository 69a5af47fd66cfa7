//! The HTTP clients of this process: which servers they trust, and where they send credentials.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use reqwest::Response;

/// How long a connection is idle before it is probed.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The longest answer to a request for a token, in bytes.
const LONGEST_BODY: usize = 256 * 1024;

/// A client whose connections and requests end within `timeout`. It trusts the authorities in the file `ca`, else the system's.
///
/// # Errors
/// The file cannot be used.
pub fn client(ca: Option<&Path>, timeout: Duration) -> Result<reqwest::ClientBuilder, String> {
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder()
        .timeout(timeout)
        // The deadline of a request includes its connection; a kept one that has died silently is found by probes.
        .connect_timeout(timeout)
        .tcp_keepalive(KEEPALIVE)
        .user_agent(concat!("segmenter/", env!("CARGO_PKG_VERSION")))
        // Credentials are sent only to the configured address.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    let Some(path) = ca else { return Ok(http) };
    let unusable = |reason: String| format!("{}: {reason}", path.display());
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(text(&error)))?;
    if authorities.is_empty() {
        return Err(unusable("holds no certificate".to_owned()));
    }
    Ok(http.tls_certs_only(authorities))
}

/// The body of an answer, cut off behind its longest length.
///
/// # Errors
/// The connection fails, or the deadline passes.
pub(super) async fn body(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_BODY {
            break;
        }
    }
    Ok(body)
}

/// The error and its causes; the innermost is the most specific. `ca` is the setting that names the trusted authorities.
pub fn explained(error: &(dyn Error + 'static), ca: &str) -> String {
    let text = text(error);
    if text.contains("invalid peer certificate") {
        format!("{text}; {ca} names the authorities that are trusted")
    } else {
        text
    }
}

/// The error and its causes.
pub fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
