//! A time given by an operator: an instant, or a distance before the present.

use std::time::Duration;

use serde::Serialize;

use super::value::Value as _;
use crate::codec::time;
use crate::domain::event::Millis;

/// An instant, or a distance before the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Moment {
    At(Millis),
    Ago(Duration),
}

impl Moment {
    /// Reads RFC 3339, `-2h`, `-1d12h`, `PT2H` or `P1DT12H`.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ago = match text.strip_prefix('-') {
            Some(duration) => Duration::parse(duration).ok(),
            None => text.strip_prefix('P').and_then(parse_iso_8601),
        };
        ago.map(Self::Ago)
            .or_else(|| time::parse_rfc3339(text).map(Self::At))
            .ok_or_else(|| "must be a time in RFC 3339 with an offset, or how long ago as -2h or PT2H".to_owned())
    }

    /// The instant, taken from `now`; not before the epoch.
    pub fn at(self, now: Millis) -> Millis {
        match self {
            Self::At(at) => at,
            Self::Ago(duration) => {
                let ago = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
                Millis(now.0.saturating_sub(ago).max(0))
            }
        }
    }
}

/// Days, hours, minutes and seconds in whole numbers, after the `P` of ISO 8601. Months and years have no length.
fn parse_iso_8601(text: &str) -> Option<Duration> {
    let (days, clock) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((days, clock)) => (days, clock),
        None => (text, ""),
    };
    let days_only = days.chars().all(|char| char.is_ascii_digit() || char == 'D');
    let clock_only = clock.chars().all(|char| char.is_ascii_digit() || "HMS".contains(char));
    (days_only && clock_only).then(|| Duration::parse(&format!("{days}{clock}").to_ascii_lowercase()).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    #[test]
    fn a_time_is_an_instant_or_how_long_ago() {
        assert_eq!(Moment::parse("1970-01-01T00:00:01Z"), Ok(Moment::At(Millis(1000))));
        for text in ["-2h", "PT2H", "PT120M", "-1h60m"] {
            assert_eq!(Moment::parse(text), Ok(Moment::Ago(Duration::from_secs(2 * HOUR))), "{text}");
        }
        assert_eq!(Moment::parse("P1DT12H"), Ok(Moment::Ago(Duration::from_secs(36 * HOUR))));
        assert_eq!(Moment::parse("P2D"), Ok(Moment::Ago(Duration::from_secs(48 * HOUR))));
        for text in ["", "-", "P", "PT", "2h", "P1M", "P1Y", "PT1D", "P1H", "PT2h", "-PT2H", "yesterday", "2026-01-01"]
        {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn how_long_ago_is_taken_from_the_present_and_ends_with_the_epoch() {
        assert_eq!(Moment::Ago(Duration::from_secs(1)).at(Millis(5000)), Millis(4000));
        assert_eq!(Moment::Ago(Duration::from_secs(9)).at(Millis(5000)), Millis(0));
    }
}
