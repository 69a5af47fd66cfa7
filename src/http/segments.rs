//! `GET /v1/segments`: the catalog, and how many users each segment has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::Mutex;

use super::problem::Problem;
use super::routes::Pages;
use crate::engine::{Dimensions, ReasonCode};
use crate::store::Store;
use crate::store::lookup::{self, Share};

/// How long a distribution is shown before it is counted anew: counting reads the whole table.
const FRESH: Duration = Duration::from_secs(10);
/// How long counting may take.
const COUNTING: Duration = Duration::from_secs(5);

/// The last distribution counted, so that asking often costs the database nothing.
#[derive(Debug, Clone, Default)]
pub struct Counted(Arc<Mutex<Option<Count>>>);

#[derive(Debug)]
struct Count {
    at: Instant,
    shares: Vec<Share>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CatalogReport<'a> {
    version: u32,
    hash: String,
    segments: Vec<SegmentReport<'a>>,
    reasons: Vec<ReasonReport<'a>>,
    distribution: Vec<ShareReport>,
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShareReport {
    primary_segment: Option<String>,
    users: i64,
    average_confidence: Option<f64>,
}

pub(super) async fn segments(State(pages): State<Pages>) -> Result<Response, Problem> {
    let store = pages.store()?;
    let distribution = pages.counted.distribution(store).await?;
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
        distribution: distribution
            .into_iter()
            .map(|share| ShareReport {
                primary_segment: share.primary_segment,
                users: share.users,
                average_confidence: share.average_confidence,
            })
            .collect(),
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

impl Counted {
    /// The distribution, at most some seconds old. Only one request at a time counts; the others wait for it.
    async fn distribution(&self, store: &Store) -> Result<Vec<Share>, Problem> {
        let mut counted = self.0.lock().await;
        if let Some(count) = counted.as_ref().filter(|count| count.at.elapsed() < FRESH) {
            return Ok(count.shares.clone());
        }
        let away = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time");
        let shares = tokio::time::timeout(COUNTING, lookup::distribution(&store.pool)).await;
        let shares = shares.map_err(|_| away())?.map_err(|_| away())?;
        *counted = Some(Count { at: Instant::now(), shares: shares.clone() });
        Ok(shares)
    }
}
