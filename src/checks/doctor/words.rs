//! Numbers, spans of time and lists in a sentence.

use std::fmt::Display;
use std::time::Duration;

/// `1 broker`, `1204 records`.
pub fn count(number: u64, singular: &str, plural: &str) -> String {
    format!("{number} {}", if number == 1 { singular } else { plural })
}

/// `7days`, `1h 30m`.
pub fn span(milliseconds: u64) -> impl Display {
    humantime::format_duration(Duration::from_millis(milliseconds))
}

/// `a, b, c`.
pub fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
