//! The HTTP server: the page, health, metrics, the read API. Read-only, with bounded time and strict headers.

mod access;
mod page;
mod segments;
mod server;
pub mod status;
mod users;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::runtime::health::HealthReport;
use crate::store::Store;
use status::Board;

pub use access::Access;
pub use server::{listen, serve};

/// The deadline of a request.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The data of the routes, and the access to them.
#[derive(Debug, Clone)]
pub struct Pages {
    pub board: Board,
    pub access: Access,
    /// Whether the user page is served.
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
        .route("/health", get(async |State(pages): State<Pages>| health(&pages, |report| report.ready && report.live)))
        .route("/health/live", get(async |State(pages): State<Pages>| health(&pages, |report| report.live)))
        .route("/health/ready", get(async |State(pages): State<Pages>| health(&pages, |report| report.ready)))
        .route("/metrics", get(metrics))
        .route("/v1/segments", get(segments::segments))
        .route("/v1/users/{id}/segments", get(users::segments))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(guard))
        .with_state(pages)
}

/// The policy of every answer except the page: it loads nothing and cannot be framed.
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

fn health(pages: &Pages, is_good: impl Fn(&HealthReport) -> bool) -> Response {
    let report = pages.board.health.report();
    let status = if is_good(&report) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
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
        "no such path; see /, /api/status, /health, /metrics, /v1/segments, /v1/users/{id}/segments",
    )
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
}

/// An error as `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub status: StatusCode,
    pub detail: String,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("error");
        let body =
            json!({"type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail});
        let content_type = HeaderValue::from_static("application/problem+json");
        (self.status, [(header::CONTENT_TYPE, content_type)], body.to_string()).into_response()
    }
}
