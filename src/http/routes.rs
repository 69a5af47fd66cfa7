//! The routes and what they answer.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::access::Access;
use super::problem::Problem;
use super::segments::{self, Counted};
use super::{REQUEST_TIMEOUT, users};
use crate::health::{Health, Report};
use crate::metrics::Metrics;
use crate::store::Store;

/// What the routes show.
#[derive(Debug, Clone)]
pub struct Pages {
    pub health: Health,
    pub metrics: Metrics,
    pub access: Access,
    /// Set once the database has been found in order.
    pub store: Arc<OnceLock<Store>>,
    pub counted: Counted,
}

impl Pages {
    /// Pages of a process that is starting.
    pub fn new(health: Health, metrics: Metrics, access: Access) -> Self {
        Self { health, metrics, access, store: Arc::default(), counted: Counted::default() }
    }

    pub(super) fn store(&self) -> Result<&Store, Problem> {
        let starting = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the service is starting");
        self.store.get().ok_or_else(starting)
    }
}

/// All routes.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/segments", get(segments::segments))
        .route("/v1/users/{id}/segments", get(users::segments))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(guard))
        .with_state(pages)
}

/// Bounds the time of a request and sets the headers that every answer has.
async fn guard(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    let mut response = answered
        .unwrap_or_else(|_| Problem::new(StatusCode::GATEWAY_TIMEOUT, "the answer took too long").into_response());
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn health(State(pages): State<Pages>) -> Response {
    let report = pages.health.report();
    let healthy = report.ready && report.live;
    answer(healthy, &report)
}

async fn live(State(pages): State<Pages>) -> Response {
    let report = pages.health.report();
    answer(report.live, &report)
}

async fn ready(State(pages): State<Pages>) -> Response {
    let report = pages.health.report();
    answer(report.ready, &report)
}

fn answer(good: bool, report: &Report) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(report)).into_response()
}

async fn metrics(State(pages): State<Pages>) -> Response {
    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    match pages.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "there is nothing here; see /health, /metrics, /v1/segments, /v1/users/{id}/segments",
    )
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
}
