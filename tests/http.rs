//! The HTTP server over a real socket: probes, metrics, errors.

use std::net::SocketAddr;
use std::time::Duration;

use segmenter::health::Health;
use segmenter::http::{self, Access, Pages};
use segmenter::metrics::Metrics;
use segmenter::stop::Stop;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::{Response, http as ask, http_get};

struct Served {
    address: SocketAddr,
    health: Health,
    stop: Stop,
    task: tokio::task::JoinHandle<()>,
}

async fn served() -> Served {
    let (health, stop) = (Health::default(), Stop::default());
    let listener = http::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let pages = Pages::new(health.clone(), Metrics::new().unwrap(), Access::Closed);
    let task = tokio::spawn(http::serve(listener, http::router(pages), stop.clone()));
    Served { address, health, stop, task }
}

fn assert_strict(response: &Response) {
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_which_component_is_not_ready_and_why_and_an_outage_is_no_reason_to_restart() {
    let served = served().await;
    served.health.expect(&["kafka"]);
    served.health.set_not_ready("kafka", "topics do not exist: segment-changed");
    let response = http_get(served.address, "/health/ready").await;
    assert_eq!(response.status, 503);
    assert_eq!(response.json()["components"][0]["reason"], "topics do not exist: segment-changed");
    assert_eq!(http_get(served.address, "/health/live").await.status, 200);
    served.health.set_ready("kafka");
    assert_eq!(http_get(served.address, "/health/ready").await.status, 200);
    assert_eq!(http_get(served.address, "/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_problem_details_and_every_answer_has_strict_headers() {
    let served = served().await;
    let missing = http_get(served.address, "/nowhere").await;
    let refused = ask(served.address, "POST", "/metrics", &[]).await.unwrap();
    assert_eq!((missing.status, refused.status), (404, 405));
    for response in [&missing, &refused] {
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        assert_eq!(response.json()["status"], response.status);
        assert_strict(response);
    }
    let metrics = http_get(served.address, "/metrics").await;
    assert!(metrics.body.contains("# TYPE segmenter_records_total counter"), "{}", metrics.body);
    assert_strict(&metrics);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_ends_when_all_else_has_ended() {
    let served = served().await;
    served.stop.abandon();
    served.task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_head_is_cut_off() {
    let served = served().await;
    let endless = "y".repeat(1024 * 1024);
    // The server may close the connection before it has read all of it.
    if let Ok(answer) = ask(served.address, "GET", "/metrics", &[("x", &endless)]).await {
        assert_ne!(answer.status, 200);
    }
    assert_eq!(http_get(served.address, "/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_never_waited_for_and_nothing_but_reading_is_answered() {
    let served = served().await;
    for path in ["/health", "/metrics", "/v1/segments", "/v1/users/user-1/segments"] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "SEGMENT"] {
            let answer = ask(served.address, method, path, &[]).await.unwrap();
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_strict(&answer);
        }
        // A body that is announced and never sent.
        for (method, chunked) in [("GET", false), ("POST", false), ("GET", true), ("POST", true)] {
            let body = if chunked { "transfer-encoding: chunked" } else { "content-length: 10000000000" };
            let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{body}\r\n\r\n");
            assert!(answers(served.address, &head).await, "{method} {path} with {body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let served = served().await;
    let smuggled = "GET /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n";
    let answer = first_line(served.address, smuggled).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let garbage = first_line(served.address, "\u{0}\u{1}\u{2} not HTTP\r\n\r\n").await;
    assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    assert_eq!(http_get(served.address, "/health/live").await.status, 200);
}

/// Whether an answer comes to what is sent, on a connection that stays open.
async fn answers(address: SocketAddr, request: &str) -> bool {
    first_line(address, request).await.starts_with("HTTP/1.1 ")
}

async fn first_line(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(stream);
    tokio::time::timeout(Duration::from_secs(5), reader.read_line(&mut line))
        .await
        .expect("an answer in time")
        .unwrap();
    line
}
