//! [`Millis`] as text, the way JavaScript's `Date.prototype.toISOString` and our rows write it.

use std::fmt;

use time::OffsetDateTime;

use super::Millis;

impl Millis {
    /// The same instant in UTC; the epoch for what lies outside the range that a `Millis` is meant to hold.
    pub fn to_utc(self) -> OffsetDateTime {
        let (seconds, millis) = (self.0.div_euclid(1000), self.0.rem_euclid(1000));
        // A remainder of a thousand fits.
        let millis = u16::try_from(millis).unwrap_or(0);
        OffsetDateTime::from_unix_timestamp(seconds)
            .and_then(|second| second.replace_millisecond(millis))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC with three digits of a second: `2026-01-29T08:00:00.000Z`. Digit by digit, since every record that is
/// written has some of these, and formatting six numbers with their widths takes ten times as long.
impl fmt::Display for Millis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.to_utc();
        let (hour, minute, second, milli) = utc.to_hms_milli();
        let [y1, y2, y3, y4] = digits(utc.year().unsigned_abs());
        let [_, _, m1, m2] = digits(u8::from(utc.month()).into());
        let [_, _, d1, d2] = digits(utc.day().into());
        let [_, _, h1, h2] = digits(hour.into());
        let [_, _, n1, n2] = digits(minute.into());
        let [_, _, s1, s2] = digits(second.into());
        let [_, f1, f2, f3] = digits(milli.into());
        let text = [
            y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.', f1, f2, f3,
            b'Z',
        ];
        formatter.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// The last four decimal digits.
fn digits(number: u32) -> [u8; 4] {
    [1000, 100, 10, 1].map(|unit| b'0' + (number / unit % 10) as u8)
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
    fn what_no_record_can_say_is_written_all_the_same() {
        assert_eq!(Millis(i64::MAX).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }
}
