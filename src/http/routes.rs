//! The routes and what they answer.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::access::Access;
use super::problem::Problem;
use super::{REQUEST_TIMEOUT, page, segments, users};
use crate::health::Report;
use crate::status::Board;
use crate::store::Store;

/// What the routes show, and to whom.
#[derive(Debug, Clone)]
pub struct Pages {
    pub board: Board,
    pub access: Access,
    /// Whether there is a page about users.
    pub has_user_page: bool,
}

impl Pages {
    pub(super) fn store(&self) -> Result<&Store, Problem> {
        let starting = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the service is starting");
        self.board.store.get().ok_or_else(starting)
    }
}

/// All routes.
pub fn router(pages: Pages) -> Router {
    let routes = Router::new();
    let routes = if pages.has_user_page { routes.route("/users", get(page::look_up)) } else { routes };
    routes
        .route("/", get(page::overview))
        .route("/api/status", get(page::status))
        .route("/assets/{name}", get(page::asset))
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

/// What is not the page loads nothing and is framed by nobody.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Bounds the time of a request and sets the headers that every answer has.
async fn guard(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    let mut response = answered
        .unwrap_or_else(|_| Problem::new(StatusCode::GATEWAY_TIMEOUT, "the answer took too long").into_response());
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    // The page and its files have their own.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    response
}

async fn health(State(pages): State<Pages>) -> Response {
    let report = pages.board.health.report();
    let healthy = report.ready && report.live;
    answer(healthy, &report)
}

async fn live(State(pages): State<Pages>) -> Response {
    let report = pages.board.health.report();
    answer(report.live, &report)
}

async fn ready(State(pages): State<Pages>) -> Response {
    let report = pages.board.health.report();
    answer(report.ready, &report)
}

fn answer(good: bool, report: &Report) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(report)).into_response()
}

async fn metrics(State(pages): State<Pages>) -> Response {
    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    match pages.board.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "there is nothing here; see /, /api/status, /health, /metrics, /v1/segments, /v1/users/{id}/segments",
    )
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
}
