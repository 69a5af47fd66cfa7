//! `GET /v1/segments`: the catalog, and how many users each segment has.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;
use super::routes::Pages;
use crate::engine::{Dimensions, ReasonCode};
use crate::status::SegmentShare;

/// How long to wait for the users to be counted.
const PATIENCE: Duration = Duration::from_secs(5);
/// The oldest count that is shown, in seconds; an older one means that the database is away.
const OLDEST: u64 = 60;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CatalogReport<'a> {
    version: u32,
    hash: String,
    segments: Vec<SegmentReport<'a>>,
    reasons: Vec<ReasonReport<'a>>,
    distribution: Vec<SegmentShare>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SegmentReport<'a> {
    segment: &'a str,
    centroid: serde_json::Map<String, serde_json::Value>,
    typical_vector: [f64; 8],
}

#[derive(Serialize)]
struct ReasonReport<'a> {
    code: &'static str,
    text: &'a str,
}

pub(super) async fn segments(State(pages): State<Pages>) -> Result<Response, Problem> {
    let store = pages.store()?;
    let away = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time");
    let counted = pages.board.counted.distribution(store, PATIENCE).await;
    let distribution = counted.filter(|counted| counted.counted_seconds_ago <= OLDEST).ok_or_else(away)?.shares;
    let catalog = &store.catalog;
    let report = CatalogReport {
        version: catalog.version(),
        hash: catalog.hash_hex(),
        segments: catalog
            .segments()
            .map(|segment| SegmentReport {
                segment: &segment.name,
                centroid: named(&segment.centroid),
                typical_vector: segment.typical_vector,
            })
            .collect(),
        reasons: ReasonCode::ALL
            .into_iter()
            .map(|code| ReasonReport { code: code.as_str(), text: catalog.reason_text(code) })
            .collect(),
        distribution,
    };
    Ok(axum::Json(report).into_response())
}

fn named(dimensions: &Dimensions) -> serde_json::Map<String, serde_json::Value> {
    Dimensions::NAMES
        .iter()
        .zip(dimensions.to_array())
        .map(|(name, value)| ((*name).to_owned(), value.into()))
        .collect()
}
