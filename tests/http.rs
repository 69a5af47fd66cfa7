//! The HTTP server over a real socket: probes, metrics, errors.

use std::net::SocketAddr;

use segmenter::health::Health;
use segmenter::http::{self, Access, Pages};
use segmenter::metrics::Metrics;
use segmenter::status::Board;
use segmenter::stop::Stop;

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
    let board = Board::new(health.clone(), Metrics::new().unwrap(), Vec::new());
    let pages = Pages { board, access: Access::Closed, has_user_page: false };
    let task = tokio::spawn(http::serve(listener, http::router(pages), stop.clone()));
    Served { address, health, stop, task }
}

fn assert_strict(response: &Response) {
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
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
