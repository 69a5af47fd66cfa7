//! `/health`, `/health/live`, `/health/ready` and `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Pages, Problem};
use crate::runtime::health::HealthReport;

/// Whether the process is ready and live.
#[utoipa::path(get, path = "/health", responses(
    (status = OK, description = "Ready and live", body = HealthReport),
    (status = SERVICE_UNAVAILABLE, description = "Not ready, or stalled", body = HealthReport),
    (status = "default", description = "Any other error", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn health(State(pages): State<Pages>) -> Response {
    answer(&pages, |report| report.ready && report.live)
}

/// Whether the process is live: only a stalled loop makes it fail, never an outage.
#[utoipa::path(get, path = "/health/live", responses(
    (status = OK, description = "Live", body = HealthReport),
    (status = SERVICE_UNAVAILABLE, description = "Stalled", body = HealthReport),
    (status = "default", description = "Any other error", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn live(State(pages): State<Pages>) -> Response {
    answer(&pages, |report| report.live)
}

/// Whether every component is ready.
#[utoipa::path(get, path = "/health/ready", responses(
    (status = OK, description = "Ready", body = HealthReport),
    (status = SERVICE_UNAVAILABLE, description = "Not ready, with the reasons", body = HealthReport),
    (status = "default", description = "Any other error", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn ready(State(pages): State<Pages>) -> Response {
    answer(&pages, |report| report.ready)
}

fn answer(pages: &Pages, is_good: impl Fn(&HealthReport) -> bool) -> Response {
    let report = pages.board.health.report();
    let status = if is_good(&report) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

/// The metrics of the process, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", responses(
    (status = OK, description = "The metrics; docs/metrics.md lists them", body = String),
    (status = "default", description = "Any other error", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn metrics(State(pages): State<Pages>) -> Response {
    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    match pages.board.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
