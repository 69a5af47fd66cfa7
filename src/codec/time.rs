//! Times and dates of records: strictly RFC 3339, and only 1970 to 9999.

use ::time::{Date, Month, macros::date};

use crate::domain::event::Millis;
use crate::domain::section::CalendarDate;

/// 9999-12-31T23:59:59.999Z.
const LATEST: i64 = 253_402_300_799_999;
const MILLIS_PER_MINUTE: i64 = 60_000;
const MILLIS_PER_DAY: i64 = 24 * 60 * MILLIS_PER_MINUTE;

/// `raw` milliseconds since the Unix epoch; `None` outside the years 1970 to 9999.
pub(crate) fn millis(raw: i64) -> Option<Millis> {
    (0..=LATEST).contains(&raw).then_some(Millis(raw))
}

/// An instant in RFC 3339 (section 5.6), floored to milliseconds. `None` for anything else, for a second of 60 and for an
/// instant outside the years 1970 to 9999 in UTC.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Millis> {
    let (date, clock) = text.as_bytes().split_at_checked(10)?;
    let days = i64::from(parse_ymd(date)?.to_julian_day() - date!(1970 - 01 - 01).to_julian_day());
    let [b'T' | b't', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = clock else { return None };
    let hours = two_digits(*h1, *h2, 23)?;
    let minutes = two_digits(*m1, *m2, 59)?;
    let seconds = two_digits(*s1, *s2, 59)?;
    let (fraction, offset) = split_fraction(rest)?;
    let offset_minutes = parse_offset(offset)?;
    millis(
        days * MILLIS_PER_DAY + (hours * 60 + minutes - offset_minutes) * MILLIS_PER_MINUTE + seconds * 1000 + fraction,
    )
}

/// The date in the first ten characters of `text`, `YYYY-MM-DD`; the rest is ignored. `None` unless the
/// calendar has that day.
pub(crate) fn parse_date(text: &str) -> Option<CalendarDate> {
    let date = parse_ymd(text.as_bytes().get(..10)?)?;
    Some(CalendarDate { year: u16::try_from(date.year()).ok()?, month: u8::from(date.month()), day: date.day() })
}

fn parse_ymd(bytes: &[u8]) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else { return None };
    let year = two_digits(*y1, *y2, 99)? * 100 + two_digits(*y3, *y4, 99)?;
    let month = Month::try_from(u8::try_from(two_digits(*m1, *m2, 12)?).ok()?).ok()?;
    let day = u8::try_from(two_digits(*d1, *d2, 31)?).ok()?;
    Date::from_calendar_date(i32::try_from(year).ok()?, month, day).ok()
}

/// Splits `.123…Z` into its whole milliseconds and the offset; without a point the fraction is 0.
fn split_fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', rest @ ..] = rest else { return Some((0, rest)) };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, offset) = rest.split_at_checked(length)?;
    if digits.is_empty() {
        return None;
    }
    let padded = digits.iter().chain(b"00").take(3);
    Some((padded.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), offset))
}

/// Minutes east of UTC.
fn parse_offset(offset: &[u8]) -> Option<i64> {
    match offset {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let minutes = two_digits(*h1, *h2, 23)? * 60 + two_digits(*m1, *m2, 59)?;
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
    }
}

fn two_digits(tens: u8, units: u8, most: i64) -> Option<i64> {
    if !tens.is_ascii_digit() || !units.is_ascii_digit() {
        return None;
    }
    let value = i64::from(tens - b'0') * 10 + i64::from(units - b'0');
    (value <= most).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<i64> {
        parse_rfc3339(text).map(|millis| millis.0)
    }

    #[test]
    fn an_instant_is_read_whatever_its_offset_and_case() {
        assert_eq!(at("2026-01-29T10:20:30Z"), Some(1_769_682_030_000));
        assert_eq!(at("2026-01-29t10:20:30z"), Some(1_769_682_030_000));
        assert_eq!(at("2026-01-29T12:20:30+02:00"), Some(1_769_682_030_000));
        assert_eq!(at("2026-01-28T23:50:30-10:30"), Some(1_769_682_030_000));
        assert_eq!(at("2026-01-29T10:20:30-00:00"), Some(1_769_682_030_000));
        assert_eq!(at("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
    }

    #[test]
    fn a_fraction_of_any_length_is_floored_to_milliseconds() {
        assert_eq!(at("1970-01-01T00:00:01.5Z"), Some(1_500));
        assert_eq!(at("1970-01-01T00:00:01.05Z"), Some(1_050));
        assert_eq!(at("1970-01-01T00:00:01.0019999999999999999999999Z"), Some(1_001));
        assert_eq!(at("1970-01-01T00:00:01.Z"), None);
    }

    #[test]
    fn only_instants_of_the_years_1970_to_9999_are_times() {
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(at("1969-12-31T23:59:59.999Z"), None);
        assert_eq!(at("1970-01-01T00:59:59+01:00"), None);
        assert_eq!(at("1969-12-31T23:00:00-01:00"), Some(0));
        assert_eq!(at("9999-12-31T23:59:59.9999Z"), Some(LATEST));
        assert_eq!(at("9999-12-31T23:59:59-00:01"), None);
        assert_eq!(millis(-1), None);
        assert_eq!(millis(LATEST + 1), None);
    }

    #[test]
    fn text_that_is_not_strictly_rfc_3339_is_no_time() {
        let wrong = [
            "",
            "2026-01-29",
            "2026-01-29T10:20:30",
            "2026-01-29 10:20:30Z",
            "2026-01-29T10:20Z",
            "2026-01-29T24:00:00Z",
            "2026-01-29T10:60:00Z",
            "2026-01-29T10:20:60Z",
            "2026-02-29T10:20:30Z",
            "2026-13-01T10:20:30Z",
            "2026-00-01T10:20:30Z",
            "2026-01-29T10:20:30+24:00",
            "2026-01-29T10:20:30+02:60",
            "2026-01-29T10:20:30+0200",
            "2026-01-29T10:20:30+02",
            "2026-01-29T10:20:30,5Z",
            "+2026-01-29T10:20:30Z",
            "2026-1-29T10:20:30Z",
            " 2026-01-29T10:20:30Z",
            "2026-01-29T10:20:30Z ",
            "2026-01-29T10:20:30ZZ",
            "2026-01-29T10:20:3٣Z",
            "1769682030000",
        ];
        for text in wrong {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_the_first_ten_characters_and_must_exist() {
        let leap_day = CalendarDate { year: 2000, month: 2, day: 29 };
        assert_eq!(parse_date("2000-02-29"), Some(leap_day));
        assert_eq!(parse_date("2000-02-29T23:30:00-05:00"), Some(leap_day));
        assert_eq!(parse_date("2000-02-29 or so"), Some(leap_day));
        for text in
            ["", "2000-02-2", "1900-02-29", "29-02-2000", "2000/02/29", " 2000-02-29", "2000-02-3é", "2000-00-10"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
