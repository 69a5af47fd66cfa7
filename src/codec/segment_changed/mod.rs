//! The record on segment-changed: headers and value, in JSON or Avro, for one [`RankingChange`].

pub mod avro;
mod json_schema;

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::stored::EncodingError;
use crate::domain::event::{Millis, UserId};
use crate::domain::ranking_change::{ChangeBody, NewRanking, RankingChange, ScoredSegment};
use crate::domain::row::ShownSegment;
use crate::domain::scoring::Catalog;

pub use json_schema::json_schema;

/// The namespace of event ids: `eventId` is the UUIDv5 of `user/revision` in it.
pub(crate) const EVENT_ID_NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_3a52_8d0e_5b6a_9f47_21c0_7be4_d918);

/// The `eventType`, and the CloudEvents type.
pub(crate) const EVENT_TYPE: &str = "user.segment.changed";

/// The header that every record carries, tombstones too.
pub(crate) const REVISION_HEADER: &str = "segmenter.revision";

/// The header of a tombstone that an erasure made: its time, Unix ms.
pub(crate) const ERASED_AT_HEADER: &str = "segmenter.erased-at";

/// The encoding of a record's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    #[default]
    Json,
    /// Single-object encoding with `schemas/segment-changed.avsc`.
    Avro,
    /// Confluent's framing, with the id of that schema in a registry.
    Framed(u32),
}

impl Encoding {
    /// The media type, as CloudEvents' Kafka binding puts it into the header `content-type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Avro | Self::Framed(_) => "application/avro",
        }
    }
}

/// The event id of the change with this `revision` of `user`. It never changes.
pub fn event_id(user: &UserId, revision: i64) -> Uuid {
    Uuid::new_v5(&EVENT_ID_NAMESPACE, format!("{user}/{revision}").as_bytes())
}

/// Names and values of a record's headers.
pub type Headers = Vec<(&'static str, Cow<'static, str>)>;

/// A record to produce, without its key, which is the user's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// CloudEvents' binary mode, the `traceparent` of the cause, the revision, and the time of an erasure.
    pub headers: Headers,
    /// `None` for a tombstone.
    pub value: Option<Vec<u8>>,
}

/// The record that publishes `change`.
///
/// # Errors
/// Only a defect of this program.
pub fn record(change: &RankingChange, catalog: &Catalog, encoding: Encoding) -> Result<Record, EncodingError> {
    let (event_id, published_at) =
        (event_id(&change.user, change.revision).to_string(), Millis(change.revision).to_string());
    let value = match &change.body {
        ChangeBody::Tombstone { .. } => None,
        ChangeBody::Ranking(new_ranking) => {
            let occurred_at = new_ranking.occurred_at.to_string().into();
            let payload = payload(change, new_ranking, &occurred_at, catalog);
            let envelope = envelope(new_ranking, &event_id, &published_at, payload);
            Some(match encoding {
                Encoding::Json => {
                    serde_json::to_vec(&envelope).map_err(|_| EncodingError { what: "a ranking change" })?
                }
                Encoding::Avro => avro::single_object(&envelope),
                Encoding::Framed(schema_id) => avro::framed(&envelope, schema_id),
            })
        }
    };
    Ok(Record { headers: headers(change, encoding, event_id, published_at), value })
}

fn headers(change: &RankingChange, encoding: Encoding, event_id: String, published_at: String) -> Headers {
    let mut headers: Headers = vec![
        (REVISION_HEADER, change.revision.to_string().into()),
        ("ce_specversion", "1.0".into()),
        ("ce_id", event_id.into()),
        ("ce_type", EVENT_TYPE.into()),
        ("ce_source", "segmenter".into()),
        ("ce_time", published_at.into()),
    ];
    match &change.body {
        ChangeBody::Ranking(new_ranking) => {
            headers.push(("content-type", encoding.content_type().into()));
            if let Some(traceparent) = &new_ranking.traceparent {
                headers.push(("traceparent", traceparent.to_string().into()));
            }
        }
        ChangeBody::Tombstone { erased_at: Some(erased_at) } => {
            headers.push((ERASED_AT_HEADER, erased_at.0.to_string().into()));
        }
        ChangeBody::Tombstone { erased_at: None } => {}
    }
    headers
}

/// The value of a record; its fields have the order of the Avro schema, and its texts.
#[derive(Serialize, ToSchema)]
#[schema(as = SegmentChanged, description = "A user's ranking of segments changed. For an erased user the record is a tombstone instead.")]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    /// UUIDv5 of user and revision: a repeat has the same.
    #[schema(format = Uuid)]
    event_id: &'a str,
    /// `user.segment.changed`.
    event_type: &'static str,
    /// The revision as a time, RFC 3339 in UTC with milliseconds.
    #[schema(format = DateTime)]
    timestamp: &'a str,
    /// The version of the event's format.
    version: &'static str,
    /// `segmenter`.
    source: &'static str,
    /// Carried on from the cause; a job's id where a job made the change.
    #[schema(required)]
    correlation_id: Option<&'a str>,
    /// The eventId of the cause, or its coordinates topic/partition/offset; null where a job made the change.
    #[schema(required)]
    causation_id: Option<&'a str>,
    /// The change.
    payload: Payload<'a>,
}

/// A user's new ranking of segments and the one published before.
#[derive(Serialize, ToSchema)]
#[schema(as = SegmentChangedPayload)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    /// The user's id.
    user_id: &'a str,
    /// Increases per user; the highest one is the present state.
    revision: i64,
    /// ONBOARDING, PROFILE_UPDATE, REPLAY, BACKFILL or RECOMPUTE; more may come.
    trigger: &'static str,
    /// The first of previousSegments; null where there is none.
    #[schema(required)]
    previous_primary_segment: Option<&'a str>,
    /// The first of newSegments; null where there is none.
    #[schema(required)]
    primary_segment: Option<&'a str>,
    /// The score of the primary segment, 0 to 1; null where there is none.
    #[schema(required, minimum = 0, maximum = 1)]
    segment_confidence: Option<f64>,
    /// The ranking published before, best first; empty where none was.
    previous_segments: &'a [ScoredSegment],
    /// The ranking, best first; empty where the user is in no segment.
    new_segments: Vec<ShownSegment>,
    /// The version of the catalog that scored.
    catalog_version: u32,
    /// The profile's logical time, RFC 3339 in UTC with milliseconds.
    #[schema(format = DateTime)]
    occurred_at: &'a str,
    /// The job that made the change; null where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replay_id: Option<&'a str>,
}

fn envelope<'a>(
    new_ranking: &'a NewRanking,
    event_id: &'a str,
    timestamp: &'a str,
    payload: Payload<'a>,
) -> Envelope<'a> {
    Envelope {
        event_id,
        event_type: EVENT_TYPE,
        timestamp,
        version: "1.0",
        source: "segmenter",
        correlation_id: new_ranking.correlation_id.as_deref(),
        causation_id: new_ranking.causation_id.as_deref(),
        payload,
    }
}

fn payload<'a>(
    change: &'a RankingChange,
    new_ranking: &'a NewRanking,
    occurred_at: &'a Arc<str>,
    catalog: &Catalog,
) -> Payload<'a> {
    let first = new_ranking.ranking.first();
    let shown = |ranked| ShownSegment::new(ranked, occurred_at, catalog);
    Payload {
        user_id: change.user.as_str(),
        revision: change.revision,
        trigger: new_ranking.trigger.as_str(),
        previous_primary_segment: new_ranking.previous.first().map(|scored| &*scored.segment),
        primary_segment: first.map(|assigned| &*assigned.segment),
        segment_confidence: first.map(|assigned| assigned.score),
        previous_segments: &new_ranking.previous,
        new_segments: new_ranking.ranking.iter().map(shown).collect(),
        catalog_version: new_ranking.catalog_version,
        occurred_at,
        replay_id: new_ranking.replay_id.as_deref(),
    }
}
