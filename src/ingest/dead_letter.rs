//! Dead letters: the original value, key and headers of a rejected record, with the reason in headers.

use rdkafka::message::{Header, OwnedHeaders};
use sha2::{Digest, Sha256};

use super::record::Rejected;
use crate::domain::event::Reason;
use crate::kafka::ffi;
use crate::kafka::producer::Outgoing;
use crate::runtime::wall_clock;

/// The header that carries the reason code.
pub const REASON: &str = "segmenter.reason";
/// How often the record has been processed.
pub(crate) const ATTEMPTS: &str = "segmenter.attempts";
/// The original record's timestamp, Unix ms.
pub(crate) const TIMESTAMP: &str = "segmenter.timestamp";
/// The original value's length in bytes; only on a truncated dead letter.
pub(crate) const LENGTH: &str = "segmenter.length";
/// The original value's SHA-256, hexadecimal; only on a truncated dead letter.
pub(crate) const SHA256: &str = "segmenter.sha256";

/// When the record was rejected, RFC 3339.
pub(crate) const FAILED_AT: &str = "segmenter.failed-at";
/// The record's topic.
pub(crate) const ORIGINAL_TOPIC: &str = "__connect.errors.topic";
/// The record's partition.
pub(crate) const ORIGINAL_PARTITION: &str = "__connect.errors.partition";
/// The record's offset.
pub(crate) const ORIGINAL_OFFSET: &str = "__connect.errors.offset";
/// The step that rejected the record, as Kafka Connect names it.
pub(crate) const STAGE: &str = "__connect.errors.stage";
/// The reason code once more, in the place of an exception's class.
pub(crate) const CLASS: &str = "__connect.errors.class.name";
/// The field and the rule, never a value.
pub(crate) const MESSAGE: &str = "__connect.errors.exception.message";

const CONNECT_PREFIX: &str = "__connect.errors.";
const OUR_PREFIX: &str = "segmenter.";

/// How much of a record its dead letter carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The first bytes of the value, with its length and hash.
    Truncated {
        value_bytes: usize,
    },
    /// Neither value nor original headers, and the first bytes of the key.
    CoordinatesOnly,
}

impl Extent {
    /// The next smaller extent, for a dead letter that the broker rejects as too large; `None` after the smallest.
    pub(crate) fn smaller(self) -> Option<Self> {
        match self {
            Self::Whole => Some(Self::Truncated { value_bytes: 256 * 1024 }),
            Self::Truncated { value_bytes } if value_bytes > 4096 => Some(Self::Truncated { value_bytes: 4096 }),
            Self::Truncated { .. } => Some(Self::CoordinatesOnly),
            Self::CoordinatesOnly => None,
        }
    }
}

/// The longest key of [`Extent::CoordinatesOnly`].
const KEY_BYTES: usize = 1024;

/// Whether a header belongs to the original record, not to the dead letter.
pub(crate) fn is_original(header: &[u8]) -> bool {
    !header.starts_with(CONNECT_PREFIX.as_bytes()) && !header.starts_with(OUR_PREFIX.as_bytes())
}

/// Makes the dead letter of `rejected`, which was read from `topic` and processed `attempts` times.
pub fn dead_letter(rejected: &Rejected, topic: &str, attempts: u32, extent: Extent) -> Outgoing {
    let record = &rejected.record;
    let value = record.value.as_deref();
    let key = record.key.as_deref();
    let headers = match &record.headers {
        // The headers of an earlier dead letter are dropped, so that each of them occurs once.
        Some(original) if extent != Extent::CoordinatesOnly => ffi::headers_whose(original, is_original),
        _ => OwnedHeaders::new_with_capacity(16),
    };
    let mut headers = add_coordinates(headers, rejected, topic, attempts);
    let (key, value) = match extent {
        Extent::Whole => (key, value),
        Extent::Truncated { value_bytes } => (key, value.map(|value| first(value, value_bytes))),
        Extent::CoordinatesOnly => (key.map(|key| first(key, KEY_BYTES)), value.map(|value| first(value, 0))),
    };
    if extent != Extent::Whole {
        headers = add_fingerprint(headers, record.value.as_deref().unwrap_or_default());
    }
    Outgoing { key: key.map(<[u8]>::to_vec), value: value.map(<[u8]>::to_vec), headers }
}

fn first(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(..count).unwrap_or(bytes)
}

fn add_coordinates(headers: OwnedHeaders, rejected: &Rejected, topic: &str, attempts: u32) -> OwnedHeaders {
    let (record, rejection) = (&rejected.record, &rejected.rejection);
    let stage = match rejection.reason {
        Reason::UnknownUser | Reason::RejectedByDatabase | Reason::Internal => "TASK_PUT",
        _ => "VALUE_CONVERTER",
    };
    let text = |headers: OwnedHeaders, key: &str, value: &str| headers.insert(Header { key, value: Some(value) });
    let headers = text(headers, ORIGINAL_TOPIC, topic);
    let headers = text(headers, ORIGINAL_PARTITION, &record.partition.number.to_string());
    let headers = text(headers, ORIGINAL_OFFSET, &record.offset.to_string());
    let headers = text(headers, STAGE, stage);
    let headers = text(headers, CLASS, &format!("segmenter.{}", rejection.reason.as_str()));
    let headers = text(headers, MESSAGE, &rejection.detail);
    let headers = text(headers, REASON, rejection.reason.as_str());
    let headers = text(headers, ATTEMPTS, &attempts.to_string());
    let headers = text(headers, FAILED_AT, &wall_clock::now().to_string());
    match record.timestamp {
        Some(timestamp) => text(headers, TIMESTAMP, &timestamp.to_string()),
        None => headers,
    }
}

fn add_fingerprint(headers: OwnedHeaders, value: &[u8]) -> OwnedHeaders {
    let hash: String = Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect();
    headers
        .insert(Header { key: LENGTH, value: Some(&value.len().to_string()) })
        .insert(Header { key: SHA256, value: Some(&hash) })
}
