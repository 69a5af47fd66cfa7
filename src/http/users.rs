//! `GET /v1/users/{id}/segments`: a user's profile, segments with reasons, and last published change.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Pages, Problem};
use crate::codec::segment_changed::event_id;
use crate::codec::stored::CodecError;
use crate::domain::event::{Millis, UserId};
use crate::domain::fold::engine_input;
use crate::domain::ranking_change::ChangeBody;
use crate::domain::scoring::{self, Catalog, Dimensions, ReasonCode, Segmentation};
use crate::domain::state::State as UserState;
use crate::store::{Store, lookup};

/// A user's segments with their reasons, and the data that they come from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserReport<'a> {
    pub(super) user_id: &'a str,
    /// The time of the onboarding in effect; `null` while the user is not onboarded.
    #[schema(required, format = DateTime)]
    pub(super) onboarded_at: Option<String>,
    /// The time of the last erasure.
    #[schema(required, format = DateTime)]
    pub(super) erased_at: Option<String>,
    /// The time of the newest section.
    #[schema(required, format = DateTime)]
    pub(super) logical_time: Option<String>,
    /// The version of the catalog that scored the stored row.
    pub(super) catalog_version: u32,
    /// Best first; scored from the stored profile with this process's catalog.
    pub(super) segments: Vec<SegmentReport>,
    /// The traveller's dimensions, each from 0 to 1.
    pub(super) dimensions: Vec<Named<'a>>,
    /// The closeness of every segment, the closest first.
    pub(super) scores: Vec<Named<'a>>,
    /// The feature vector; `null` while the user is not onboarded.
    #[schema(required, min_items = 8, max_items = 8)]
    pub(super) vector: Option<[f64; 8]>,
    /// The sections of the profile, with the event of the last write of each.
    pub(super) sections: Vec<SectionReport<'a>>,
    /// The last change published on segment-changed; `null` where there is none.
    #[schema(required)]
    pub(super) last_published: Option<PublishedReport<'a>>,
}

/// A segment that the user is in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SegmentReport {
    pub(super) segment: Arc<str>,
    /// 0 to 1.
    pub(super) score: f64,
    pub(super) reasons: Vec<ReasonReport>,
}

/// A value from 0 to 1 with its name.
#[derive(Serialize, ToSchema)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) value: f64,
}

/// A reason for a segment.
#[derive(Serialize, ToSchema)]
pub(super) struct ReasonReport {
    pub(super) code: &'static str,
    /// The catalog's text for travellers.
    pub(super) text: Arc<str>,
}

impl ReasonReport {
    pub(super) fn new(code: ReasonCode, catalog: &Catalog) -> Self {
        Self { code: code.as_str(), text: catalog.reason_text(code) }
    }
}

/// A section of the profile.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SectionReport<'a> {
    pub(super) section: &'static str,
    #[schema(format = DateTime)]
    pub(super) written_at: String,
    pub(super) event_id: &'a str,
}

/// A change published on segment-changed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PublishedReport<'a> {
    pub(super) revision: i64,
    #[schema(format = Uuid)]
    pub(super) event_id: String,
    #[schema(format = DateTime)]
    pub(super) published_at: String,
    /// `null` where a tombstone was published.
    #[schema(required)]
    pub(super) trigger: Option<&'static str>,
    /// `null` where a tombstone was published.
    #[schema(required)]
    pub(super) segments: Option<Vec<&'a str>>,
    pub(super) previous_segments: Vec<&'a str>,
}

/// A user's segments with their reasons, and the data that they come from.
#[utoipa::path(get, path = "/v1/users/{id}/segments", security(("token" = [])),
    params(("id" = String, Path, description = "The platform's user id", min_length = 1, max_length = 191)),
    responses(
        (status = OK, description = "The user", body = UserReport<'static>),
        (status = BAD_REQUEST, description = "The id cannot be a user's",
            body = Problem, content_type = "application/problem+json"),
        (status = UNAUTHORIZED, description = "The token is missing or wrong",
            body = Problem, content_type = "application/problem+json"),
        (status = FORBIDDEN, description = "Users' data are closed: no token is configured",
            body = Problem, content_type = "application/problem+json"),
        (status = NOT_FOUND, description = "Nothing is known of this user",
            body = Problem, content_type = "application/problem+json"),
        (status = SERVICE_UNAVAILABLE, description = "The database does not answer, or the service is starting",
            body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "Any other error",
            body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn user_segments(
    State(pages): State<Pages>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    pages.access.check(&headers)?;
    let Path(id) = id.map_err(|rejected| Problem::new(StatusCode::BAD_REQUEST, rejected.body_text()))?;
    let store = pages.store()?;
    let found = find(store, &id).await?;
    Ok(axum::Json(report(&found, &store.catalog)).into_response())
}

/// A user with a stored state.
pub(super) struct Found {
    user: UserId,
    state: UserState,
}

/// Reads the stored state of a user.
pub(super) async fn find(store: &Store, id: &str) -> Result<Found, Problem> {
    let user = UserId::new(id)
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "a user's id has 1 to 191 characters and no NUL"))?;
    let unavailable = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer");
    let found = lookup::state(&store.pool, &user).await.map_err(unavailable)?;
    let unreadable =
        |_: CodecError| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the user's stored state cannot be read");
    let state = found.map_err(unreadable)?;
    if state == UserState::default() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "nothing is known of this user"));
    }
    Ok(Found { user, state })
}

pub(super) fn report<'a>(found: &'a Found, catalog: &'a Catalog) -> UserReport<'a> {
    let Found { user, state } = found;
    let profile = &state.profile;
    let text = |time: Millis| time.to_string();
    let logical_time = profile.logical_time();
    let onboarded = profile.onboarded();
    let segmentation = onboarded.zip(logical_time).map(|(_, at)| scoring::segment(&engine_input(profile, at), catalog));
    UserReport {
        user_id: user.as_str(),
        onboarded_at: onboarded.map(|stamp| text(stamp.time)),
        erased_at: profile.erased_at().map(text),
        logical_time: logical_time.map(text),
        catalog_version: state.catalog_version,
        segments: segmentation.as_ref().map_or_else(Vec::new, |of| segments_of(of, catalog)),
        dimensions: segmentation.as_ref().map_or_else(Vec::new, dimensions_of),
        scores: segmentation.as_ref().map_or_else(Vec::new, |of| scores_of(of, catalog)),
        vector: segmentation.as_ref().map(|of| of.vector),
        sections: profile
            .registers()
            .map(|register| SectionReport {
                section: register.section.kind().name(),
                written_at: text(register.stamp.time),
                event_id: &register.stamp.id,
            })
            .collect(),
        last_published: state.last_published.as_ref().map(|body| last_published(user, state.revision, body)),
    }
}

fn dimensions_of(of: &Segmentation) -> Vec<Named<'static>> {
    Dimensions::NAMES.into_iter().zip(of.dimensions.to_array()).map(|(name, value)| Named { name, value }).collect()
}

fn scores_of<'a>(of: &Segmentation, catalog: &'a Catalog) -> Vec<Named<'a>> {
    let names = catalog.segments().map(|segment| &*segment.name);
    let mut scores: Vec<Named<'_>> = names.zip(&of.scores).map(|(name, value)| Named { name, value: *value }).collect();
    scores.sort_by(|one, other| other.value.total_cmp(&one.value));
    scores
}

fn segments_of(of: &Segmentation, catalog: &Catalog) -> Vec<SegmentReport> {
    of.ranking
        .iter()
        .map(|ranked| SegmentReport {
            segment: Arc::clone(&ranked.segment),
            score: ranked.score,
            reasons: ranked.reasons.iter().map(|code| ReasonReport::new(*code, catalog)).collect(),
        })
        .collect()
}

fn last_published<'a>(user: &UserId, revision: i64, body: &'a ChangeBody) -> PublishedReport<'a> {
    let ranking = body.ranking();
    PublishedReport {
        revision,
        event_id: event_id(user, revision).to_string(),
        published_at: Millis(revision).to_string(),
        trigger: ranking.map(|ranking| ranking.trigger.as_str()),
        segments: ranking.map(|ranking| ranking.ranking.iter().map(|ranked| &*ranked.segment).collect()),
        previous_segments: ranking
            .map_or_else(Vec::new, |ranking| ranking.previous.iter().map(|scored| &*scored.segment).collect()),
    }
}
