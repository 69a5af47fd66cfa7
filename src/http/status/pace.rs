//! How fast things go: totals looked at once a second, and what they grew by. Pure: the caller has the clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Between two looks at the totals.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// How far back the present pace looks.
const PRESENT: Duration = Duration::from_secs(10);
/// How long one stretch of the history is, in looks.
const STRETCH: usize = 5;
/// How many stretches are kept.
const STRETCHES: usize = 60;

/// Totals at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub at: Instant,
    /// Records finished.
    pub records: u64,
    /// Records acknowledged on segment-changed.
    pub published: u64,
}

/// The totals of the last five minutes.
#[derive(Debug, Default)]
pub struct Pace(VecDeque<Sample>);

impl Pace {
    /// Remembers a look, and forgets those that are too old.
    pub fn note(&mut self, sample: Sample) {
        self.0.push_back(sample);
        while self.0.len() > STRETCH * STRETCHES + 1 {
            self.0.pop_front();
        }
    }

    /// Records finished and said a second, over the last ten seconds or as long as there is.
    pub fn present(&self) -> (f64, f64) {
        let Some(last) = self.0.back() else { return (0.0, 0.0) };
        let is_recent = |sample: &&Sample| last.at.saturating_duration_since(sample.at) <= PRESENT;
        let first = self.0.iter().find(is_recent).unwrap_or(last);
        (rate(first, last, |sample| sample.records), rate(first, last, |sample| sample.published))
    }

    /// Records finished a second in each stretch of five looks, the newest last.
    pub fn history(&self) -> Vec<f64> {
        // The oldest stretch may be a short one.
        let oldest = self.0.front().filter(|_| self.0.len() % STRETCH != 1);
        let newest_first: Vec<&Sample> = self.0.iter().rev().step_by(STRETCH).chain(oldest).collect();
        let pairs = newest_first.iter().zip(newest_first.iter().skip(1));
        let mut rates: Vec<f64> = pairs.map(|(last, first)| rate(first, last, |sample| sample.records)).collect();
        rates.reverse();
        rates
    }
}

fn rate(first: &Sample, last: &Sample, total: impl Fn(&Sample) -> u64) -> f64 {
    let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
    let grown = total(last).saturating_sub(total(first)) as f64;
    if seconds > 0.0 { grown / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(looks: u64, a_second: u64) -> Pace {
        let (start, mut pace) = (Instant::now(), Pace::default());
        for look in 0..looks {
            let at = start + INTERVAL * u32::try_from(look).unwrap();
            pace.note(Sample { at, records: look * a_second, published: look });
        }
        pace
    }

    #[test]
    fn a_steady_pace_is_told_as_it_is() {
        assert_eq!(pace(0, 7).present(), (0.0, 0.0));
        assert_eq!(pace(1, 7).present(), (0.0, 0.0));
        assert_eq!(pace(2, 7).present(), (7.0, 1.0));
        assert_eq!(pace(500, 7).present(), (7.0, 1.0));
        assert_eq!(pace(11, 7).history(), [7.0, 7.0]);
        assert_eq!(pace(12, 7).history(), [7.0, 7.0, 7.0], "the oldest is a short one");
        assert_eq!((pace(1, 7).history(), pace(2, 7).history()), (vec![], vec![7.0]));
    }

    #[test]
    fn the_history_is_bounded_and_what_ended_ten_seconds_ago_is_not_the_present() {
        let mut pace = pace(1000, 7);
        let last = *pace.0.back().unwrap();
        for second in 1..=11 {
            pace.note(Sample { at: last.at + INTERVAL * second, ..last });
        }
        assert_eq!(pace.present(), (0.0, 0.0));
        let history = pace.history();
        assert_eq!((history.len(), history[0], history[STRETCHES - 1]), (STRETCHES, 7.0, 0.0));
    }
}
