//! The page with the status of the process, and `/api/status`, the same for programs. Rendered on the server; a small
//! script only replaces changed parts.
//!
//! ```text
//! overview      the page: what is wrong first, then numbers and tables
//!   findings    problems, with impact, action and runbook
//!   partitions  positions, offsets and lag of each partition
//!   jobs        open jobs with their commands; ended ones
//!   tables      counts, segments, changes, configuration
//! user          one user, where that is enabled
//!   closeness   the user's dimensions beside each segment's centroid, as pictures
//! runbook       the runbook of this version
//! ```

mod closeness;
mod findings;
mod jobs;
mod overview;
mod partitions;
mod runbook;
mod tables;
mod user;

use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest, Sha256};

use super::status::Status;
use super::{Pages, Problem};

pub(super) use runbook::runbook;
pub(super) use user::look_up;

/// Only the page's own files are loaded and run, and the page cannot be framed.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// `GET /`.
pub(super) async fn overview(State(pages): State<Pages>) -> Response {
    let status = pages.board.status().await;
    response(overview::page(&status, pages.has_user_page))
}

/// The state of the process; the same as the page shows.
#[utoipa::path(get, path = "/api/status", responses(
    (status = OK, description = "The status", body = Status),
    (status = "default", description = "Any other error", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::http) async fn status(State(pages): State<Pages>) -> Json<Status> {
    Json(pages.board.status().await)
}

fn response(page: Markup) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, page.into_string()).into_response()
}

/// A page around `main`. With `live` the script updates it. Addresses are relative, so that it also works behind
/// `kubectl proxy` and similar proxies.
fn frame(title: &str, header: &Markup, main: &Markup, live: bool) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="icon" type="image/svg+xml" href="assets/icon.svg";
                link rel="stylesheet" href="assets/page.css";
                @if live { script src="assets/page.js" defer {} }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top { (header) }
                main #main tabindex="-1" data-live[live] { (main) }
                footer {
                    nav aria-label="More" {
                        a href="runbook" { "Runbook" }
                        a href="api/status" { "Status as JSON" }
                        a href="metrics" { "Metrics" }
                        a href="health" { "Health" }
                        a href="v1/segments" { "Catalog" }
                        a href="openapi.json" { "API" }
                    }
                }
            }
        }
    }
}

/// The name of the program, a link to the overview.
fn brand() -> Markup {
    html! {
        a.brand href="./" {
            svg.mark viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
                rect x="2" y="13" width="5" height="9" rx="1.5" {}
                rect x="9.5" y="8" width="5" height="14" rx="1.5" {}
                rect x="17" y="2" width="5" height="20" rx="1.5" {}
            }
            "segmenter"
        }
    }
}

/// A command to copy: one click selects all of it.
fn command(text: &str) -> Markup {
    html! { code.command { (text) } }
}

/// A file of the page, compiled in, with the hash by which a browser validates its copy.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
    etag: HeaderValue,
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        embedded("page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
        embedded("page.js", "text/javascript; charset=utf-8", include_str!("assets/page.js")),
        embedded("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ]
});

fn embedded(name: &'static str, content_type: &'static str, text: &'static str) -> Asset {
    let hash = Sha256::digest(text.as_bytes());
    let short: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = HeaderValue::try_from(format!("\"{short}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    Asset { name, content_type, text, etag }
}

pub(super) async fn asset(Path(name): Path<String>, request: HeaderMap) -> Result<Response, Problem> {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such file"))?;
    // Browsers validate their copy each time: two versions of the program may serve behind one name.
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, asset.etag.clone()),
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type)),
    ];
    if request.get(header::IF_NONE_MATCH) == Some(&asset.etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, asset.text).into_response())
}
