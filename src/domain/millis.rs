//! [`Millis`] as text, the way JavaScript's `Date.prototype.toISOString` and our rows write it.

use std::fmt;

use time::OffsetDateTime;

use super::event::Millis;

impl Millis {
    /// The same instant in UTC; the epoch for a value beyond the years that `time` can represent.
    pub(crate) fn to_utc(self) -> OffsetDateTime {
        let (seconds, millis) = (self.0.div_euclid(1000), self.0.rem_euclid(1000));
        // A remainder of a thousand fits.
        let millis = u16::try_from(millis).unwrap_or(0);
        OffsetDateTime::from_unix_timestamp(seconds)
            .and_then(|second| second.replace_millisecond(millis))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC with three digits of a second: `2026-01-29T08:00:00.000Z`.
impl fmt::Display for Millis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.to_utc();
        let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
        let (hour, minute, second, milli) = utc.to_hms_milli();
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_javascript_writes_it() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_769_673_600_007, "2026-01-29T08:00:00.007Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (951_868_799_120, "2000-02-29T23:59:59.120Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(Millis(millis).to_string(), text);
        }
    }

    #[test]
    fn times_beyond_the_accepted_range_are_written_too() {
        assert_eq!(Millis(i64::MAX).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }
}
