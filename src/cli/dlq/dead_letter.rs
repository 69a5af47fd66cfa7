//! A dead letter in a report. Its bytes are arbitrary, so none may reach a terminal as control characters.

use serde::Serialize;

use crate::cli::table::printable;
use crate::ingest::dead_letter_reader::{Content, DeadLetter};
use crate::jobs::redrive::outcome::RedriveOutcome;
use crate::jobs::redrive::selection::Selected;

/// A dead letter without its value and original headers, which only `show` adds.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownDeadLetter {
    partition: i32,
    offset: i64,
    original: Original,
    reason: &'static str,
    message: String,
    failed_at: String,
    attempts: u32,
    length: Option<u64>,
    truncated: bool,
    /// Number of dead letters of the same record.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letters: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<Header>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Original {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<String>,
}

#[derive(Debug, Serialize)]
struct Header {
    name: String,
    value: Option<String>,
}

impl ShownDeadLetter {
    fn of(dead_letter: &DeadLetter) -> Self {
        let origin = &dead_letter.origin;
        Self {
            partition: dead_letter.place.partition,
            offset: dead_letter.place.offset,
            original: Original {
                topic: origin.topic.to_string(),
                partition: origin.partition,
                offset: origin.offset,
                timestamp: origin.timestamp,
                key: dead_letter.key.as_deref().map(line),
            },
            reason: dead_letter.reason.as_str(),
            message: dead_letter.message.clone(),
            failed_at: dead_letter.failed_at.to_string(),
            attempts: dead_letter.attempts,
            length: dead_letter.content.length(),
            truncated: dead_letter.content.is_truncated(),
            ..Self::default()
        }
    }

    pub fn listed(selected: &Selected) -> Self {
        Self { dead_letters: Some(selected.times), ..Self::of(&selected.dead_letter) }
    }

    pub fn redriven(selected: &Selected, outcome: RedriveOutcome) -> Self {
        let (outcome, outcome_reason) = outcome.names();
        Self { outcome: Some(outcome), outcome_reason, ..Self::listed(selected) }
    }

    pub fn shown(dead_letter: &DeadLetter, with_payload: bool) -> Self {
        let headers = dead_letter.original_headers();
        let headers =
            headers.map(|(name, value)| Header { name: name.to_string_lossy().into(), value: value.map(line) });
        let mut shown = Self { headers: Some(headers.collect()), ..Self::of(dead_letter) };
        if let Content::Truncated { sha256, .. } = &dead_letter.content {
            shown.sha256 = Some(sha256.clone());
        }
        if let Some(bytes) = dead_letter.content.bytes().filter(|_| with_payload) {
            match std::str::from_utf8(bytes) {
                Ok(text) => shown.payload = Some(text.to_owned()),
                Err(_) => shown.payload_hex = Some(hex(bytes)),
            }
        }
        shown
    }

    /// The place of the original: `topic/partition/offset`.
    fn original(&self) -> String {
        format!("{}/{}/{}", printable(&self.original.topic), self.original.partition, self.original.offset)
    }

    pub(crate) const HEADING: &str =
        "PLACE      FAILED AT                REASON               TRIES     BYTES  ORIGINAL";

    /// One line of a list; the list may be too long for a table in memory.
    pub fn line(&self) -> String {
        let place = format!("{}:{}", self.partition, self.offset);
        let length = self.length.map_or_else(|| "null".to_owned(), |length| length.to_string());
        let mut notes = Vec::new();
        notes.extend(self.dead_letters.filter(|times| *times > 1).map(|times| format!("{times} dead letters")));
        notes.extend(self.truncated.then(|| "truncated".to_owned()));
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
        let Self { failed_at, reason, attempts, .. } = self;
        format!("{place:<10} {failed_at:<24} {reason:<20} {attempts:>5} {length:>9}  {}{notes}", self.original())
    }

    /// The line of a dead letter that cannot be redriven.
    pub fn refusal(&self, why: &str) -> String {
        format!("{}:{} of {} cannot be redriven: {why}", self.partition, self.offset, self.original())
    }
}

/// The value as `show --payload` shows it: text unchanged, other bytes in hexadecimal.
pub(super) fn payload(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|char| char.is_control() && !"\n\r\t".contains(char)) => text.to_owned(),
        _ => hex(bytes),
    }
}

/// Bytes as text if they are UTF-8 on one line, else in hexadecimal after `0x`.
fn line(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("0x{}", hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_with_control_characters_are_shown_in_hexadecimal() {
        assert_eq!(line(b"user-1"), "user-1");
        assert_eq!(line(b"a\x1b"), "0x611b");
        assert_eq!(line(b"\xff"), "0xff");
        assert_eq!(payload(b"{\n\t}"), "{\n\t}");
        assert_eq!(payload(b"{\x1b}"), "7b1b7d");
    }
}
