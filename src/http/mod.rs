//! The HTTP server: the page, health, metrics, the read API. Read-only, with bounded time and strict headers.
//!
//! ```text
//! server      accepts connections and serves them
//! contract    the routes for programs, with their contract in OpenAPI
//!   probes      health and metrics
//!   segments    the catalog with the users by segment
//!   users       one user
//! page        the routes for people, and the status for programs
//! status      the snapshot behind both
//! access      the token for users' data
//! problem     errors as answers
//! ```

mod access;
mod contract;
mod page;
mod probes;
mod problem;
mod segments;
mod server;
pub mod status;
mod tls;
mod users;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::store::Store;
use problem::Problem;
use status::Board;

pub use access::Access;
pub use contract::openapi;
pub use server::{listen, serve};
pub use tls::Tls;

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
    let routes = Router::from(contract::described());
    let routes = if pages.has_user_page { routes.route("/users", get(page::look_up)) } else { routes };
    routes
        .route("/", get(page::overview))
        .route("/runbook", get(page::runbook))
        .route("/assets/{name}", get(page::asset))
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

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no such path; see / and /openapi.json")
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
}
