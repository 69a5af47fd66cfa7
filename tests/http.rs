//! The HTTP server over a real socket: probes, metrics, errors.

mod bounds;
mod identities;

use std::net::SocketAddr;
use std::time::Duration;

use segmenter::http::status::Board;
use segmenter::http::{self, Access, Pages, Tls};
use segmenter::runtime::health::Health;
use segmenter::runtime::stop::Stop;
use segmenter::telemetry::metrics::Metrics;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::scene::DEADLINE;
use crate::support::{Response, http as ask, http_get, segmenter};

struct Served {
    address: SocketAddr,
    health: Health,
    stop: Stop,
    task: tokio::task::JoinHandle<()>,
}

async fn served() -> Served {
    served_with(Access::Closed, None).await
}

async fn served_with(access: Access, tls: Option<Tls>) -> Served {
    let (health, stop) = (Health::default(), Stop::default());
    let listener = http::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let board = Board::new(health.clone(), Metrics::new().unwrap(), Vec::new());
    let pages = Pages { board, access, has_user_page: false };
    let task = tokio::spawn(http::serve(listener, tls, http::router(pages), stop.clone()));
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
async fn readiness_names_the_component_and_the_reason_and_an_outage_leaves_liveness_ok() {
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

/// `segmenter health` of a service at this address, and its output.
async fn health(address: SocketAddr, arguments: &[&str]) -> (Option<i32>, String) {
    health_with(&[("SEGMENTER_HTTP_ADDR", &address.to_string())], arguments).await
}

async fn health_with(environment: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let ended = segmenter(&[&["health"], arguments].concat(), environment).finish(DEADLINE).await;
    (ended.code, ended.stdout + &ended.log)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_health_ends_with_0_where_the_service_is_ready_and_names_the_reason_where_it_is_not() {
    let served = served().await;
    served.health.set_not_ready("kafka", "topics do not exist: segment-changed");
    let not_ready = "not ready\nkafka: topics do not exist: segment-changed".to_owned();
    assert_eq!(health(served.address, &[]).await, (Some(1), not_ready));
    assert_eq!(health(served.address, &["--live"]).await, (Some(0), "live".to_owned()));
    served.health.set_ready("kafka");
    assert_eq!(health(served.address, &[]).await, (Some(0), "ready".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_health_ends_with_1_where_nothing_answers_within_its_deadline() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let (code, output) = health(address, &[]).await;
    assert!(code == Some(1) && output.contains("no answer from"), "{output}");
    drop(silent);
    let (code, output) = health(address, &[]).await;
    assert!(code == Some(1) && output.contains("no answer from"), "{output}");
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
async fn the_page_shows_the_reason_of_not_being_ready_and_escapes_it() {
    let served = served().await;
    served.health.expect(&["kafka"]);
    served.health.set_not_ready("kafka", "topics do not exist: <script>alert(\"1\")</script>");
    let page = http_get(served.address, "/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("Not ready"));
    assert!(page.body.contains("topics do not exist: &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"));
    assert!(!page.body.contains("<script>"));
    assert_strict(&page);
    let status = http_get(served.address, "/api/status").await.json();
    assert_eq!((&status["health"]["ready"], &status["segments"]), (&json!(false), &json!(null)));
    assert_eq!(http_get(served.address, "/users?id=user-1").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_keeps_the_pages_files_while_their_etag_is_unchanged() {
    let served = served().await;
    for (name, kind) in [("page.css", "text/css"), ("page.js", "text/javascript"), ("icon.svg", "image/svg+xml")] {
        let path = format!("/assets/{name}");
        let file = http_get(served.address, &path).await;
        assert!(file.status == 200 && file.header("content-type").unwrap().starts_with(kind));
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        let etag = file.header("etag").unwrap();
        let again = ask(served.address, "GET", &path, &[("if-none-match", etag)]).await.unwrap();
        assert_eq!((again.status, again.body.as_str()), (304, ""));
        let changed = ask(served.address, "GET", &path, &[("if-none-match", "\"other\"")]).await.unwrap();
        assert_eq!(changed.status, 200);
    }
    assert_eq!(http_get(served.address, "/assets/..%2Fpage.css").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_ends_after_all_other_parts() {
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
        // A body that the head declares and that is never sent.
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

/// Whether a request is answered on a connection that stays open.
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
