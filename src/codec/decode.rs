//! The checks of a record in their order: the first that fails decides the outcome.

use std::sync::Arc;

use super::avro::{self, WriterSchema};
use super::message::{Message, Refusal};
use super::tree::Node;
use super::{Decoded, Limits, RawRecord, json, sections, time, traceparent, user};
use crate::domain::event::{Body, Cause, DECODER_VERSION, Event, Kind, Millis, Reason, Rejection, Skip, Stamp};
use crate::domain::section::Section;

/// Decodes a record without a registry. Total: any bytes have exactly one result.
pub fn decode(record: &RawRecord<'_>, limits: &Limits) -> Decoded {
    decoded(match record.value {
        Some(value) => check_size(value, limits)
            .and_then(|()| read(value, record.kind))
            .and_then(|message| event(record, limits, &message)),
        None => tombstone(record).map_err(Refusal::from),
    })
}

/// Decodes a record whose value holds `datum`, written with a registered schema that the value only names. Total, as
/// [`decode`] is, and with the same checks.
pub fn decode_datum(record: &RawRecord<'_>, writer: &WriterSchema, datum: &[u8], limits: &Limits) -> Decoded {
    decoded(
        check_size(record.value.unwrap_or(datum), limits)
            .and_then(|()| avro::read(writer, datum, record.kind))
            .and_then(|message| event(record, limits, &message)),
    )
}

fn decoded(outcome: Result<Event, Refusal>) -> Decoded {
    match outcome {
        Ok(event) => Decoded::Event(event),
        Err(Refusal::Skipped(skip)) => Decoded::Skipped(skip),
        Err(Refusal::Rejected(rejection)) => Decoded::Rejected(rejection),
    }
}

fn check_size(value: &[u8], limits: &Limits) -> Result<(), Refusal> {
    if value.len() > limits.max_value_bytes {
        let detail = format!("the value is longer than {} bytes", limits.max_value_bytes);
        return Err(Rejection::new(Reason::TooLarge, detail).into());
    }
    Ok(())
}

/// A tombstone erases the user that its key names.
fn tombstone(record: &RawRecord<'_>) -> Result<Event, Rejection> {
    let key = record.key.ok_or_else(|| Rejection::new(Reason::Empty, "neither a key nor a value"))?;
    let id: Arc<str> = "".into();
    Ok(Event {
        user: user::of_key(key)?,
        cause: cause(record, &id, None),
        stamp: Stamp { time: record_time(record)?, id, decoder: DECODER_VERSION },
        body: Body::Tombstone,
        key_differs: false,
    })
}

/// Reads a value in the encoding that its first bytes mark.
fn read(value: &[u8], kind: Kind) -> Result<Message<'_>, Refusal> {
    match value {
        [] => Err(Rejection::new(Reason::Malformed, "the value is empty").into()),
        [0x00, ..] => {
            let detail = "the value names a registry's schema, and no registry is configured";
            Err(Rejection::new(Reason::UnknownSchema, detail).into())
        }
        [0xc3, 0x01, framed @ ..] => avro::read_single_object(framed, kind),
        _ => json::read(value, kind),
    }
}

fn event(record: &RawRecord<'_>, limits: &Limits, message: &Message<'_>) -> Result<Event, Refusal> {
    let payload = &message.payload;
    let (user, key_differs) = user::of_payload(payload, record.key)?;
    let completed = payload.get("profile").get("isOnboardingCompleted");
    if record.kind == Kind::OnboardingCompleted && *completed == Node::Bool(false) {
        return Err(Refusal::Skipped(Skip::NotCompleted));
    }
    let time = event_time(record, message)?;
    check_not_future(time, record.timestamp, limits)?;
    message.check_event_type()?;
    let id: Arc<str> = message.event_id()?.into();
    let cause = cause(record, &id, message.correlation_id()?);
    let body = match record.kind {
        Kind::OnboardingCompleted => Body::Onboarding(onboarding(payload)?),
        Kind::ProfileUpdated => match update(payload)? {
            sections if sections.is_empty() => return Err(Refusal::Skipped(Skip::NothingCarried)),
            sections => Body::Update(sections),
        },
    };
    Ok(Event { user, stamp: Stamp { time, id, decoder: DECODER_VERSION }, body, cause, key_differs })
}

fn onboarding(payload: &Node<'_>) -> Result<Vec<Section>, Rejection> {
    let profile = payload.get("profile");
    sections::object(profile, "profile")?;
    sections::boolean(profile.get("isOnboardingCompleted"), "profile.isOnboardingCompleted")?;
    let mut sections = sections::preferences(profile.get("preferences"))?;
    sections.extend(sections::quality(profile.get("metadata"))?);
    Ok(sections)
}

fn update(payload: &Node<'_>) -> Result<Vec<Section>, Rejection> {
    let profile = payload.get("profile");
    sections::object(profile, "profile")?;
    let mut sections = sections::preferences(payload.get("preferences"))?;
    sections.extend(sections::demographics(profile.get("dateOfBirth"))?);
    Ok(sections)
}

/// The time of the event: that of the payload, else of the envelope, else of the record. The first that is present counts,
/// even if it is wrong.
fn event_time(record: &RawRecord<'_>, message: &Message<'_>) -> Result<Millis, Rejection> {
    let field = match record.kind {
        Kind::OnboardingCompleted => "completedAt",
        Kind::ProfileUpdated => "updatedAt",
    };
    let (time, path) = match message.payload.get(field) {
        Node::Null => (&message.timestamp, "timestamp"),
        time => (time, field),
    };
    let parsed = match time {
        Node::Null => return record_time(record),
        Node::Text(text) => time::parse_rfc3339(text),
        _ => None,
    };
    parsed.ok_or_else(|| {
        Rejection::new(Reason::BadTime, format!("{path}: must be an RFC 3339 time with an offset, 1970 to 9999"))
    })
}

fn record_time(record: &RawRecord<'_>) -> Result<Millis, Rejection> {
    record.timestamp.and_then(time::millis).ok_or_else(|| {
        Rejection::new(Reason::BadTime, "only the record has a time, and that is missing or not 1970 to 9999")
    })
}

/// An event dated after its own record would win every later merge.
fn check_not_future(time: Millis, record_timestamp: Option<i64>, limits: &Limits) -> Result<(), Rejection> {
    match record_timestamp {
        Some(timestamp) if timestamp >= 0 && time.0 > timestamp.saturating_add(limits.max_future_ms) => {
            let detail = format!("dated more than {} ms after its own record", limits.max_future_ms);
            Err(Rejection::new(Reason::FutureDated, detail))
        }
        _ => Ok(()),
    }
}

/// The cause of an event. Without an event id, the record's coordinates identify it.
fn cause(record: &RawRecord<'_>, event_id: &Arc<str>, correlation_id: Option<&str>) -> Cause {
    let causation_id = match &**event_id {
        "" => format!("{}/{}/{}", record.topic, record.partition, record.offset).into(),
        _ => Arc::clone(event_id),
    };
    Cause {
        causation_id: Some(causation_id),
        correlation_id: correlation_id.map(Arc::from),
        traceparent: record.traceparent.and_then(traceparent::well_formed).map(Arc::from),
    }
}
