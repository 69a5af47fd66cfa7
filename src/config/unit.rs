//! Durations and sizes as people write them: `30s`, `1h30m`, `64MiB`.

use std::time::Duration;

/// Milliseconds in one of each unit, largest first.
const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Bytes in one of each unit; compared without regard to case.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
];

/// Parses whole numbers with the units `d`, `h`, `m`, `s` and `ms`, one or several (`1h30m`); `0` needs no unit.
///
/// `None` when `text` is anything else or does not fit in milliseconds as a `u64`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let unit_length = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_length)?;
        let (_, factor) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
        milliseconds = milliseconds.checked_add(number.checked_mul(*factor)?)?;
        rest = next;
    }
    Some(Duration::from_millis(milliseconds))
}

/// Parses a whole number of bytes, with `KiB`, `MiB`, `GiB` (powers of 1024), `kB`, `MB`, `GB` (powers of 1000) or no unit.
///
/// `None` when `text` is anything else or does not fit in a `usize`.
pub fn parse_size(text: &str) -> Option<usize> {
    let (number, after) = split_number(text.trim())?;
    let unit = after.trim_start().to_ascii_lowercase();
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    usize::try_from(number.checked_mul(*factor)?).ok()
}

/// The leading digits of `text` as a number, and what follows them.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0ms", 0),
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            " ",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "30S",
            "30sec",
            "1s2",
            "99999999999999999999s",
            "9999999999999999999d",
            "5µs",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in
            [("0", 0), ("17", 17), ("1KiB", 1024), ("64MiB", 64 << 20), ("2 gib", 2 << 30), ("3MB", 3_000_000)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in
            ["", "MiB", "-1", "1.5MiB", "1TiB", "1 MiB 2", "99999999999999999999", "18446744073709551615KiB", "1é"]
        {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
