//! The routes for programs with their contract in OpenAPI, both made from the same handlers.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Pages, Problem, page, probes, segments, users};

/// The contract of the routes for programs, in JSON.
///
/// # Errors
/// It cannot be serialised, which does not happen.
pub fn openapi() -> serde_json::Result<String> {
    described().into_openapi().to_pretty_json().map(|text| text + "\n")
}

/// The routes for programs, described.
pub(super) fn described() -> OpenApiRouter<Pages> {
    OpenApiRouter::with_openapi(about())
        .routes(routes!(page::status))
        .routes(routes!(probes::health))
        .routes(routes!(probes::live))
        .routes(routes!(probes::ready))
        .routes(routes!(probes::metrics))
        .routes(routes!(document))
        .routes(routes!(segments::segments))
        .routes(routes!(users::user_segments))
}

fn about() -> OpenApi {
    let info = InfoBuilder::new()
        .title("segmenter")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Travellers' segments, and the state of the service. Read-only: GET and HEAD."));
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The token of `http.token`; not needed where `http.allow_anonymous` is set."));
    let components = ComponentsBuilder::new().security_scheme("token", SecurityScheme::Http(token.build()));
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).build()
}

/// This contract.
#[utoipa::path(get, path = "/openapi.json", responses(
    (status = OK, description = "OpenAPI 3.1", body = serde_json::Value),
    (status = "default", description = "Any other error", body = Problem, content_type = "application/problem+json"),
))]
async fn document() -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    match openapi() {
        Ok(text) => ([(header::CONTENT_TYPE, JSON)], text).into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
