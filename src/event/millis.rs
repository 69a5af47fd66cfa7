//! [`Millis`] as text, the way JavaScript's `Date.prototype.toISOString` and our rows write it.

use std::fmt;

use time::OffsetDateTime;

use super::Millis;

impl Millis {
    /// The same instant in UTC; the epoch for what lies outside the range that a `Millis` is meant to hold.
    pub fn to_utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC with three digits of a second: `2026-01-29T08:00:00.000Z`.
impl fmt::Display for Millis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.to_utc();
        let (hour, minute, second, milli) = utc.to_hms_milli();
        write!(
            formatter,
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z",
            utc.year(),
            u8::from(utc.month()),
            utc.day(),
        )
    }
}
