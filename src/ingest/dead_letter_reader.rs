//! Parses a record of the dead-letter topic into a typed value. The topic may also hold records of other programs; a record
//! that is not exactly a dead letter of this service is foreign.

use std::ffi::CStr;
use std::sync::Arc;

use rdkafka::Message;
use rdkafka::message::{OwnedHeaders, OwnedMessage};

use super::dead_letter::{
    self, ATTEMPTS, FAILED_AT, LENGTH, MESSAGE, ORIGINAL_OFFSET, ORIGINAL_PARTITION, ORIGINAL_TOPIC, REASON, SHA256,
    TIMESTAMP,
};
use super::record::OriginalRecord;
use crate::codec::framed::SCHEMA_HEADER;
use crate::codec::{RawRecord, time};
use crate::domain::event::{Kind, Millis, Reason};
use crate::kafka::ffi;
use crate::kafka::headers::{self, TRACEPARENT};
use crate::kafka::partition::Partition;

/// A position in the dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadLetterPosition {
    pub partition: i32,
    pub offset: i64,
}

impl std::fmt::Display for DeadLetterPosition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.partition, self.offset)
    }
}

/// The original record of a dead letter. The timestamp distinguishes records of a recreated topic from those of the old one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    /// Unix time, ms.
    pub timestamp: Option<i64>,
}

/// The original value, or the rest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Whole(Option<Box<[u8]>>),
    /// Too large for the dead-letter topic: its first bytes, its length in bytes and its SHA-256, hexadecimal.
    Truncated {
        first: Box<[u8]>,
        length: u64,
        sha256: String,
    },
}

impl Content {
    /// The original value's length in bytes; `None` for a tombstone.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Whole(value) => value.as_ref().map(|value| value.len() as u64),
            Self::Truncated { length, .. } => Some(*length),
        }
    }

    pub(crate) fn is_truncated(&self) -> bool {
        matches!(self, Self::Truncated { .. })
    }

    /// The bytes that the dead letter carries.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(value) => value.as_deref(),
            Self::Truncated { first, .. } => Some(first),
        }
    }
}

/// A dead letter of this service.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub place: DeadLetterPosition,
    pub origin: Origin,
    pub reason: Reason,
    /// The field and the rule, or SQLSTATE and constraint.
    pub message: String,
    pub failed_at: Millis,
    /// How often the record has been processed.
    pub attempts: u32,
    pub key: Option<Box<[u8]>>,
    pub content: Content,
    headers: OwnedHeaders,
}

/// A record that is not a dead letter of this service, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    pub place: DeadLetterPosition,
    pub why: String,
}

impl DeadLetter {
    /// Reads a record of the dead-letter topic.
    ///
    /// # Errors
    /// The record is not a dead letter of this service.
    pub fn parse(message: &OwnedMessage) -> Result<Self, Foreign> {
        let place = DeadLetterPosition { partition: message.partition(), offset: message.offset() };
        Self::read(message, place).map_err(|why| Foreign { place, why })
    }

    fn read(message: &OwnedMessage, place: DeadLetterPosition) -> Result<Self, String> {
        let headers = message.headers().ok_or("it has no headers")?;
        let reason = required(headers, REASON)?;
        let topic = required(headers, ORIGINAL_TOPIC)?;
        let attempts: u32 = number(ATTEMPTS, required(headers, ATTEMPTS)?)?;
        let partition: i32 = number(ORIGINAL_PARTITION, required(headers, ORIGINAL_PARTITION)?)?;
        let offset: i64 = number(ORIGINAL_OFFSET, required(headers, ORIGINAL_OFFSET)?)?;
        let timestamp = optional(headers, TIMESTAMP)?.map(|text| number(TIMESTAMP, text)).transpose()?;
        if topic.is_empty() || attempts == 0 || partition < 0 || offset < 0 {
            return Err("its coordinates or attempts are out of range".to_owned());
        }
        let failed_at = time::parse_rfc3339(required(headers, FAILED_AT)?);
        Ok(Self {
            place,
            origin: Origin { topic: topic.into(), partition, offset, timestamp },
            reason: Reason::ALL
                .into_iter()
                .find(|known| known.as_str() == reason)
                .ok_or_else(|| format!("its {REASON} is none that this version knows"))?,
            message: optional(headers, MESSAGE)?.unwrap_or_default().to_owned(),
            failed_at: failed_at.ok_or_else(|| format!("its {FAILED_AT} is no RFC 3339 time"))?,
            attempts,
            key: message.key().map(Box::from),
            content: content(headers, message.payload())?,
            headers: headers.clone(),
        })
    }

    /// The bytes of key, value and headers.
    pub fn size(&self) -> usize {
        let headers = ffi::headers(self.headers.as_borrowed());
        let headers = headers.map(|(name, value)| name.count_bytes() + value.map_or(0, <[u8]>::len));
        let key = self.key.as_ref().map_or(0, |key| key.len());
        key + self.content.bytes().map_or(0, <[u8]>::len) + headers.sum::<usize>()
    }

    /// The original record's headers.
    pub(crate) fn original_headers(&self) -> impl Iterator<Item = (&CStr, Option<&[u8]>)> {
        ffi::headers(self.headers.as_borrowed()).filter(|(name, _)| dead_letter::is_original(name.to_bytes()))
    }

    /// The record as it was in its original topic, which is of this kind; `None` if it was truncated.
    pub fn original(&self, kind: Kind) -> Option<RawRecord<'_>> {
        let Content::Whole(value) = &self.content else { return None };
        Some(RawRecord {
            kind,
            topic: &self.origin.topic,
            partition: self.origin.partition,
            offset: self.origin.offset,
            key: self.key.as_deref(),
            value: value.as_deref(),
            timestamp: self.origin.timestamp,
            traceparent: headers::header(self.headers.as_borrowed(), TRACEPARENT),
        })
    }

    /// The header that names the schema of the original value.
    pub(crate) fn schema_header(&self) -> Option<&[u8]> {
        headers::header(self.headers.as_borrowed(), SCHEMA_HEADER)
    }

    /// The original record, to write a new dead letter of it; `None` if it was truncated.
    pub(crate) fn into_original(self, kind: Kind) -> Option<OriginalRecord> {
        let Content::Whole(value) = self.content else { return None };
        Some(OriginalRecord {
            partition: Partition { kind, number: self.origin.partition },
            offset: self.origin.offset,
            key: self.key,
            value,
            headers: Some(self.headers),
            timestamp: self.origin.timestamp,
        })
    }
}

fn content(headers: &OwnedHeaders, value: Option<&[u8]>) -> Result<Content, String> {
    match (optional(headers, LENGTH)?, optional(headers, SHA256)?) {
        (None, None) => Ok(Content::Whole(value.map(Box::from))),
        (Some(length), Some(sha256)) => {
            let (first, length) = (value.unwrap_or_default().into(), number(LENGTH, length)?);
            Ok(Content::Truncated { first, length, sha256: sha256.to_owned() })
        }
        _ => Err(format!("it has only one of {LENGTH} and {SHA256}")),
    }
}

fn required<'h>(headers: &'h OwnedHeaders, name: &str) -> Result<&'h str, String> {
    optional(headers, name)?.ok_or_else(|| format!("it has no {name}"))
}

/// The text of a header that may occur once.
fn optional<'h>(headers: &'h OwnedHeaders, name: &str) -> Result<Option<&'h str>, String> {
    let mut found = ffi::headers(headers.as_borrowed()).filter(|(found, _)| found.to_bytes() == name.as_bytes());
    let Some((_, value)) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(format!("it has {name} more than once"));
    }
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    text.map(Some).ok_or_else(|| format!("its {name} is no text"))
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("its {name} is no number in range"))
}
