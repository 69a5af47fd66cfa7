//! `GET /v1/segments`: the catalog, and the number of users of each segment.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Pages, Problem};
use crate::domain::scoring::{Dimensions, ReasonCode};

/// How long to wait for the sample of users.
const SAMPLE_DEADLINE: Duration = Duration::from_secs(5);
/// The oldest sample that is shown, in seconds; an older one means that the database is unavailable.
const OLDEST: u64 = 60;

pub(super) async fn segments(State(pages): State<Pages>) -> Result<Json<Value>, Problem> {
    let catalog = &pages.store()?.catalog;
    let sampled = pages.board.distribution(SAMPLE_DEADLINE).await.filter(|sampled| sampled.seconds_ago <= OLDEST);
    let unavailable = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time");
    let segments = catalog.segments().map(|segment| {
        json!({
            "segment": &*segment.name,
            "centroid": named(&segment.centroid),
            "typicalVector": segment.typical_vector,
        })
    });
    let reasons =
        ReasonCode::ALL.into_iter().map(|code| json!({"code": code.as_str(), "text": catalog.reason_text(code)}));
    Ok(Json(json!({
        "version": catalog.version(),
        "hash": catalog.hash_hex(),
        "segments": segments.collect::<Vec<_>>(),
        "reasons": reasons.collect::<Vec<_>>(),
        "distribution": sampled.ok_or_else(unavailable)?,
    })))
}

fn named(dimensions: &Dimensions) -> Map<String, Value> {
    let named = Dimensions::NAMES.iter().zip(dimensions.to_array());
    named.map(|(name, value)| ((*name).to_owned(), value.into())).collect()
}
