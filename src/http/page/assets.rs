//! The page's own files: style, script, icon. Compiled in; a browser asks whether its copy still holds.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::super::problem::Problem;

/// A file and the hash that tells whether a browser's copy is this one.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
    etag: HeaderValue,
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset("page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
        asset("page.js", "text/javascript; charset=utf-8", include_str!("assets/page.js")),
        asset("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ]
});

fn asset(name: &'static str, content_type: &'static str, text: &'static str) -> Asset {
    let hash = Sha256::digest(text.as_bytes());
    let short: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = HeaderValue::try_from(format!("\"{short}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    Asset { name, content_type, text, etag }
}

pub(in super::super) async fn get(Path(name): Path<String>, request: HeaderMap) -> Result<Response, Problem> {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such file"))?;
    // The copy is asked about each time: two versions of the program may serve behind one name.
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
