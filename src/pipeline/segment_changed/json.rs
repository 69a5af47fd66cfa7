//! The value on segment-changed as JSON.

use super::{Envelope, Payload, VALUE_BYTES};
use crate::pipeline::assignment::write_ranking_json;
use crate::pipeline::json_text::JsonText;

pub(super) fn value(envelope: &Envelope<'_>) -> Vec<u8> {
    let mut json = JsonText::with_capacity(VALUE_BYTES);
    json.raw(r#"{"eventId":"#).string(envelope.event_id);
    json.raw(r#","eventType":"#).string(envelope.event_type);
    json.raw(r#","timestamp":"#).string(envelope.timestamp);
    json.raw(r#","version":"#).string(envelope.version);
    json.raw(r#","source":"#).string(envelope.source);
    json.raw(r#","correlationId":"#).optional_string(envelope.correlation_id);
    json.raw(r#","causationId":"#).optional_string(envelope.causation_id);
    json.raw(r#","payload":"#);
    payload(&mut json, &envelope.payload);
    json.raw("}");
    json.into_string().into_bytes()
}

fn payload(json: &mut JsonText, payload: &Payload<'_>) {
    json.raw(r#"{"userId":"#).string(payload.user_id);
    json.raw(r#","revision":"#).display(payload.revision);
    json.raw(r#","trigger":"#).string(payload.trigger);
    json.raw(r#","previousPrimarySegment":"#).optional_string(payload.previous_primary_segment);
    json.raw(r#","primarySegment":"#).optional_string(payload.primary_segment);
    json.raw(r#","segmentConfidence":"#);
    match payload.segment_confidence {
        Some(confidence) => json.double(confidence),
        None => json.raw("null"),
    };
    json.raw(r#","previousSegments":"#).list(payload.previous_segments, |json, previous| {
        json.raw(r#"{"segment":"#).string(&previous.segment);
        json.raw(r#","score":"#).double(previous.score).raw("}");
    });
    json.raw(r#","newSegments":"#);
    match payload.new_segments.json {
        Some(new_segments) => _ = json.raw(new_segments),
        None => write_ranking_json(json, payload.new_segments.iter()),
    }
    json.raw(r#","catalogVersion":"#).display(payload.catalog_version);
    json.raw(r#","occurredAt":"#).string(payload.occurred_at);
    if let Some(replay_id) = payload.replay_id {
        json.raw(r#","replayId":"#).string(replay_id);
    }
    json.raw("}");
}
