//! The page: what the process is doing, for people; and `/api/status`, the same for programs. Made on the server; a small
//! script only takes over what has changed.

mod assets;
mod frame;
mod human;
mod overview;
mod tables;
mod user;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::routes::Pages;
use crate::status::Status;

pub(super) use assets::get as asset;
pub(super) use user::look_up;

/// Nothing but the page's own files is loaded or run, and nobody may frame it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// `GET /`.
pub(super) async fn overview(State(pages): State<Pages>) -> Response {
    let status = pages.board.status().await;
    html(overview::page(&status, pages.has_user_page))
}

/// `GET /api/status`.
pub(super) async fn status(State(pages): State<Pages>) -> Json<Status> {
    Json(pages.board.status().await)
}

fn html(page: Markup) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, page.into_string()).into_response()
}
