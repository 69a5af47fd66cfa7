//! The real binary starts, its output is captured, and it ends.

use std::time::Duration;

use crate::support::{http_get, kafka, postgres, segmenter, segmenter_with_input};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_command_of_the_binary_runs_to_its_end_and_its_output_is_captured() {
    let finished = segmenter(&["--version"], &[]).finish(SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains(env!("CARGO_PKG_VERSION")), "{finished:?}");
}

#[tokio::test]
async fn a_command_is_fed_more_than_a_pipe_holds() {
    let input = "not a case\n".repeat(100_000);
    let finished = segmenter_with_input(&["explain", "--jsonl"], &[], &input).finish(SOON).await;
    assert!(finished.code.is_some(), "{finished:?}");
}

#[tokio::test]
async fn the_service_logs_its_address_and_ends_on_sigterm() {
    let database = postgres().upstream_after_ia().await;
    let environment = [
        ("DATABASE_URL", database.url()),
        ("KAFKA_BROKERS", kafka().brokers()),
        ("SEGMENTER_HTTP_ADDR", "127.0.0.1:0"),
        ("SEGMENTER_DATABASE_MIGRATE", "true"),
    ];
    let mut service = segmenter(&["serve"], &environment);
    let address = service.http_address().await;
    assert_eq!(http_get(address, "/health/live").await.status, 200);

    service.terminate();
    assert_eq!(service.wait(SOON).await.code(), Some(0));
}
