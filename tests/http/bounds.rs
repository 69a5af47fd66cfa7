//! A client of the HTTP server can neither change anything nor make it read or wait without end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{assert_strict, served};
use crate::support::{http as ask, http_get};

/// Every path of the contract.
fn paths() -> Vec<String> {
    let contract: serde_json::Value = serde_json::from_str(&segmenter::http::openapi().unwrap()).unwrap();
    contract["paths"].as_object().unwrap().keys().map(|path| path.replace("{id}", "user-1")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_takes_a_method_that_could_change_something() {
    let served = served().await;
    for path in &paths() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"] {
            let status = ask(served.address, method, path, &[]).await.map(|answer| answer.status).unwrap_or(400);
            assert!([400, 405].contains(&status), "{method} {path}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_answers_with_headers_that_forbid_content_frames_and_caches() {
    let served = served().await;
    for path in paths().into_iter().chain(["/nowhere".to_owned()]) {
        let response = http_get(served.address, &path).await;
        assert_strict(&response);
        assert_eq!(
            response.header("content-security-policy"),
            Some("default-src 'none'; frame-ancestors 'none'"),
            "{path}"
        );
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(response.header("server"), None, "{path} does not reveal the server");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_end_is_not_read() {
    let served = served().await;
    let head = "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 1099511627776\r\n\r\n";
    let (answer, sent) = tokio::task::spawn_blocking(move || flood(served.address, head)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert!(sent < 64 * 1024 * 1024, "it read {sent} bytes of a body that it does not use");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_frees_its_connection_in_time() {
    let served = served().await;
    let address = served.address;
    let waited = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
        let started = Instant::now();
        // Closed by the server, with or without an answer; an error is a connection that is still open.
        stream.read_to_end(&mut Vec::new()).unwrap();
        started.elapsed()
    });
    assert!(waited.await.unwrap() < Duration::from_secs(20));
    assert_eq!(http_get(served.address, "/health/live").await.status, 200);
}

/// Sends a head and then bytes for as long as the server reads them; returns the start of the answer and the number of bytes.
fn flood(address: SocketAddr, head: &str) -> (String, usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    let body = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while sent < 64 * 1024 * 1024 && stream.write_all(&body).is_ok() {
        sent += body.len();
    }
    (String::from_utf8_lossy(&start).into_owned(), sent)
}
