//! A minimal HTTP client: one request, one response, no connection kept.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; panics if it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

/// Sends a GET request; panics if there is no response within ten seconds.
pub async fn http_get(address: SocketAddr, path: &str) -> Response {
    http(address, "GET", path, &[]).await.unwrap_or_else(|error| panic!("no answer from {address} to {path}: {error}"))
}

/// Sends a request with any method and headers, without a body.
///
/// # Errors
/// The connection is refused, or there is no response within ten seconds.
pub async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Response> {
    // HTTP/1.0: the response is not chunked and ends with the connection.
    let mut request = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: 0\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let answer = tokio::task::spawn_blocking(move || exchange(address, &request)).await.expect("it does not panic")?;
    parse(&answer).ok_or_else(|| std::io::Error::other("not an HTTP answer"))
}

/// Whether a GET request is answered with 200; for use outside of a runtime.
pub fn is_ok(address: SocketAddr, path: &str) -> bool {
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    let answer = exchange(address, &request).ok().and_then(|answer| parse(&answer));
    answer.is_some_and(|answer| answer.status == 200)
}

fn exchange(address: SocketAddr, request: &str) -> std::io::Result<Vec<u8>> {
    let limit = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn parse(answer: &[u8]) -> Option<Response> {
    let answer = std::str::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let (status_line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status_line.split(' ').nth(1)?.parse().ok()?;
    let headers = headers
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Response { status, headers, body: body.to_owned() })
}
