//! The record on segment-changed: headers and value, in JSON or Avro, for one [`Change`].

pub mod avro;
mod json;

use std::borrow::Cow;

use uuid::Uuid;

use super::assignment::ShownAssignment;
use super::change::{Announced, Announcement, Assigned, Change, Saying, Scored};
use super::name_id::name_id;
use crate::engine::Catalog;
use crate::event::{Millis, UserId};

/// The namespace of event ids: `eventId` is the UUIDv5 of `user/revision` in it.
pub const EVENT_ID_NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_3a52_8d0e_5b6a_9f47_21c0_7be4_d918);

/// The `eventType`, and the CloudEvents type.
pub const EVENT_TYPE: &str = "user.segment.changed";

/// The header that every record carries, null ones too.
pub const REVISION_HEADER: &str = "segmenter.revision";

/// What a record's value commonly takes, in bytes.
pub const VALUE_BYTES: usize = 2048;

/// How a record's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    #[default]
    Json,
    /// Single-object encoding with `schemas/segment-changed.avsc`.
    Avro,
    /// Confluent's framing, with the id under which a registry has that schema.
    Framed(u32),
}

impl Encoding {
    /// The media type, as CloudEvents' Kafka binding puts it into the header `content-type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Avro | Self::Framed(_) => "application/avro",
        }
    }
}

/// The id of the event that says `revision` of `user`: the same for ever.
pub fn event_id(user: &UserId, revision: i64) -> Uuid {
    name_id(&EVENT_ID_NAMESPACE, &[user.as_str(), "/", &revision.to_string()])
}

/// Names and values of a record's headers.
pub type Headers = Vec<(&'static str, Cow<'static, str>)>;

/// A record as it is produced, but for its key, which is the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// CloudEvents' binary mode, the trace context that came with the cause, and the revision.
    pub headers: Headers,
    /// `None` for a null record.
    pub value: Option<Vec<u8>>,
}

/// The record that says `change`.
pub fn record(change: &Change, catalog: &Catalog, encoding: Encoding) -> Said {
    let (event_id, said_at) =
        (event_id(&change.user, change.revision).to_string(), Millis(change.revision).to_string());
    let value = match &change.saying {
        Saying::Null => None,
        Saying::Ranking(announcement) => {
            let occurred_at = announcement.occurred_at.to_string();
            let payload = payload(change, announcement, &occurred_at, catalog);
            let envelope = envelope(announcement, &event_id, &said_at, payload);
            Some(match encoding {
                Encoding::Json => json::value(&envelope),
                Encoding::Avro => avro::single_object(&envelope),
                Encoding::Framed(schema_id) => avro::framed(&envelope, schema_id),
            })
        }
    };
    Said { headers: headers(change, encoding, event_id, said_at), value }
}

fn headers(change: &Change, encoding: Encoding, event_id: String, said_at: String) -> Headers {
    let mut headers = Vec::with_capacity(MOST_HEADERS);
    headers.push((REVISION_HEADER, change.revision.to_string().into()));
    headers.push(("ce_specversion", "1.0".into()));
    headers.push(("ce_id", event_id.into()));
    headers.push(("ce_type", EVENT_TYPE.into()));
    headers.push(("ce_source", "segmenter".into()));
    headers.push(("ce_time", said_at.into()));
    if let Saying::Ranking(announcement) = &change.saying {
        headers.push(("content-type", encoding.content_type().into()));
        if let Some(traceparent) = &announcement.traceparent {
            headers.push(("traceparent", traceparent.to_string().into()));
        }
    }
    headers
}

/// How many headers a record has at most.
const MOST_HEADERS: usize = 8;

struct Envelope<'a> {
    event_id: &'a str,
    event_type: &'static str,
    timestamp: &'a str,
    version: &'static str,
    source: &'static str,
    correlation_id: Option<&'a str>,
    causation_id: Option<&'a str>,
    payload: Payload<'a>,
}

struct Payload<'a> {
    user_id: &'a str,
    revision: i64,
    trigger: &'static str,
    previous_primary_segment: Option<&'a str>,
    primary_segment: Option<&'a str>,
    segment_confidence: Option<f64>,
    previous_segments: &'a [Scored],
    new_segments: NewSegments<'a>,
    catalog_version: u32,
    occurred_at: &'a str,
    replay_id: Option<&'a str>,
}

/// The ranking that is said.
#[derive(Clone, Copy)]
struct NewSegments<'a> {
    /// As JSON, if that was made already.
    json: Option<&'a str>,
    ranking: &'a [Assigned],
    assigned_at: &'a str,
    catalog: &'a Catalog,
}

impl<'a> NewSegments<'a> {
    fn iter(self) -> impl ExactSizeIterator<Item = ShownAssignment<'a>> {
        let Self { json: _, ranking, assigned_at, catalog } = self;
        ranking.iter().map(move |assigned| ShownAssignment {
            segment: &assigned.segment,
            score: assigned.score,
            reasons: &assigned.reasons,
            assigned_at,
            catalog,
        })
    }
}

fn envelope<'a>(said: &'a Announcement, event_id: &'a str, timestamp: &'a str, payload: Payload<'a>) -> Envelope<'a> {
    Envelope {
        event_id,
        event_type: EVENT_TYPE,
        timestamp,
        version: "1.0",
        source: "segmenter",
        correlation_id: said.correlation_id.as_deref(),
        causation_id: said.causation_id.as_deref(),
        payload,
    }
}

fn payload<'a>(change: &'a Change, said: &'a Announced, occurred_at: &'a str, catalog: &'a Catalog) -> Payload<'a> {
    let first = said.ranking.first();
    let json = said.ranking_json();
    Payload {
        user_id: change.user.as_str(),
        revision: change.revision,
        trigger: said.trigger.as_str(),
        previous_primary_segment: said.previous.first().map(|scored| &*scored.segment),
        primary_segment: first.map(|assigned| &*assigned.segment),
        segment_confidence: first.map(|assigned| assigned.score),
        previous_segments: &said.previous,
        new_segments: NewSegments { json, ranking: &said.ranking, assigned_at: occurred_at, catalog },
        catalog_version: said.catalog_version,
        occurred_at,
        replay_id: said.replay_id.as_deref(),
    }
}
