//! The value on segment-changed as Avro, with `schemas/segment-changed.avsc`: in single-object encoding, or in Confluent's
//! framing.
//!
//! Encoded by hand, field by field in the schema's order, so that encoding cannot fail.

use super::{Envelope, Payload};
use crate::domain::ranking_change::ScoredSegment;
use crate::domain::row::ShownSegment;

/// The CRC-64-AVRO of `schemas/segment-changed.avsc` in parsing canonical form.
pub const FINGERPRINT: u64 = 0xdb14_606c_3fc4_a831;

/// The schema.
pub(crate) const SCHEMA: &str = include_str!("../../../schemas/segment-changed.avsc");

/// The first two bytes of single-object encoding; the fingerprint follows, little-endian.
const MARKER: [u8; 2] = [0xc3, 0x01];

pub(super) fn single_object(envelope: &Envelope<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(CAPACITY);
    out.extend(MARKER);
    out.extend(FINGERPRINT.to_le_bytes());
    datum(envelope, out)
}

pub(super) fn framed(envelope: &Envelope<'_>, schema_id: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(CAPACITY);
    out.push(0);
    out.extend(schema_id.to_be_bytes());
    datum(envelope, out)
}

/// Appends the datum to `out`.
fn datum(envelope: &Envelope<'_>, out: Vec<u8>) -> Vec<u8> {
    let mut out = Datum(out);
    out.string(envelope.event_id);
    out.string(envelope.event_type);
    out.string(envelope.timestamp);
    out.string(envelope.version);
    out.string(envelope.source);
    out.optional_string(envelope.correlation_id);
    out.optional_string(envelope.causation_id);
    out.payload(&envelope.payload);
    out.0
}

/// The usual length of a change, in bytes.
const CAPACITY: usize = 1024;

/// The part of a datum that is written; see <https://avro.apache.org/docs/1.12.0/specification/#binary-encoding>.
struct Datum(Vec<u8>);

impl Datum {
    fn payload(&mut self, payload: &Payload<'_>) {
        self.string(payload.user_id);
        self.long(payload.revision);
        self.string(payload.trigger);
        self.optional_string(payload.previous_primary_segment);
        self.optional_string(payload.primary_segment);
        self.optional(payload.segment_confidence, Self::double);
        self.array(payload.previous_segments.iter(), Self::previous_segment);
        self.array(payload.new_segments.iter(), Self::new_segment);
        self.long(i64::from(payload.catalog_version));
        self.string(payload.occurred_at);
        self.optional_string(payload.replay_id);
    }

    fn previous_segment(&mut self, previous: &ScoredSegment) {
        self.string(&previous.segment);
        self.double(previous.score);
    }

    fn new_segment(&mut self, assigned: &ShownSegment) {
        self.string(&assigned.segment);
        self.double(assigned.score);
        self.array(assigned.reasons.iter(), |datum, text| datum.string(text));
        self.string(&assigned.assigned_at);
    }

    /// One block, then the empty one that ends an array.
    fn array<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        if items.len() > 0 {
            self.length(items.len());
            items.for_each(|each| item(self, each));
        }
        self.length(0);
    }

    fn optional_string(&mut self, value: Option<&str>) {
        self.optional(value, Self::string);
    }

    /// A union of null and another type.
    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.long(i64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn string(&mut self, value: &str) {
        self.length(value.len());
        self.0.extend_from_slice(value.as_bytes());
    }

    fn double(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    /// No length in memory exceeds a long.
    fn length(&mut self, length: usize) {
        self.long(i64::try_from(length).unwrap_or(i64::MAX));
    }

    /// A zigzag integer in groups of seven bits, the lowest first.
    fn long(&mut self, value: i64) {
        let mut zigzag = (value << 1 ^ value >> 63).cast_unsigned();
        while zigzag > 0x7f {
            self.0.push((zigzag & 0x7f) as u8 | 0x80);
            zigzag >>= 7;
        }
        self.0.push(zigzag as u8);
    }
}
