//! `GET /v1/segments`: the catalog, and the number of users of each segment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::status::SampledDistribution;
use super::users::ReasonReport;
use super::{Pages, Problem};
use crate::domain::scoring::{Dimensions, ReasonCode};

/// How long to wait for the sample of users.
const SAMPLE_DEADLINE: Duration = Duration::from_secs(5);
/// The oldest sample that is shown, in seconds; an older one means that the database is unavailable.
const OLDEST: u64 = 60;

/// The catalog, and the users by primary segment.
#[derive(Serialize, ToSchema)]
pub(super) struct CatalogReport {
    version: u32,
    /// SHA-256 of its content.
    hash: String,
    segments: Vec<CatalogSegment>,
    /// Every reason for a segment.
    reasons: Vec<ReasonReport>,
    distribution: SampledDistribution,
}

/// A segment of the catalog.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CatalogSegment {
    segment: Arc<str>,
    /// The dimensions of its typical traveller by name, each from 0 to 1.
    centroid: BTreeMap<&'static str, f64>,
    /// The feature vector of its typical traveller.
    #[schema(min_items = 8, max_items = 8)]
    typical_vector: [f64; 8],
}

/// The catalog, and the users by primary segment.
#[utoipa::path(get, path = "/v1/segments", responses(
    (status = OK, description = "The catalog with the users by primary segment", body = CatalogReport),
    (status = SERVICE_UNAVAILABLE, description = "The database does not answer, or the service is starting",
        body = Problem, content_type = "application/problem+json"),
    (status = "default", description = "Any other error", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn segments(State(pages): State<Pages>) -> Result<Json<CatalogReport>, Problem> {
    let catalog = &pages.store()?.catalog;
    let sampled = pages.board.distribution(SAMPLE_DEADLINE).await.filter(|sampled| sampled.seconds_ago <= OLDEST);
    let unavailable = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time");
    let segments = catalog.segments().map(|segment| CatalogSegment {
        segment: Arc::clone(&segment.name),
        centroid: Dimensions::NAMES.into_iter().zip(segment.centroid.to_array()).collect(),
        typical_vector: segment.typical_vector,
    });
    Ok(Json(CatalogReport {
        version: catalog.version(),
        hash: catalog.hash_hex(),
        segments: segments.collect(),
        reasons: ReasonCode::ALL.into_iter().map(|code| ReasonReport::new(code, catalog)).collect(),
        distribution: sampled.ok_or_else(unavailable)?,
    }))
}
