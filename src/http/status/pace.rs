//! Rates from totals that are sampled once a second. Pure: the caller has the clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Between two samples.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// The window of the present rate.
const PRESENT: Duration = Duration::from_secs(10);
/// The length of a stretch of the history, in samples.
const STRETCH: usize = 5;
/// The number of stretches kept.
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
pub(crate) struct Pace(VecDeque<Sample>);

impl Pace {
    /// Adds a sample, and drops those that are too old.
    pub fn note(&mut self, sample: Sample) {
        self.0.push_back(sample);
        while self.0.len() > STRETCH * STRETCHES + 1 {
            self.0.pop_front();
        }
    }

    /// Records finished and published a second, over the last ten seconds or the time since the first sample.
    pub fn present(&self) -> (f64, f64) {
        let Some(last) = self.0.back() else { return (0.0, 0.0) };
        let is_recent = |sample: &&Sample| last.at.saturating_duration_since(sample.at) <= PRESENT;
        let first = self.0.iter().find(is_recent).unwrap_or(last);
        (rate(first, last, |sample| sample.records), rate(first, last, |sample| sample.published))
    }

    /// Records finished a second in each stretch of five samples, the newest last.
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

    fn pace(samples: u64, a_second: u64) -> Pace {
        let (start, mut pace) = (Instant::now(), Pace::default());
        for second in 0..samples {
            let at = start + INTERVAL * u32::try_from(second).unwrap();
            pace.note(Sample { at, records: second * a_second, published: second });
        }
        pace
    }

    #[test]
    fn a_steady_pace_has_its_rate() {
        assert_eq!(pace(0, 7).present(), (0.0, 0.0));
        assert_eq!(pace(1, 7).present(), (0.0, 0.0));
        assert_eq!(pace(2, 7).present(), (7.0, 1.0));
        assert_eq!(pace(500, 7).present(), (7.0, 1.0));
        assert_eq!(pace(11, 7).history(), [7.0, 7.0]);
        assert_eq!(pace(12, 7).history(), [7.0, 7.0, 7.0], "the oldest is a short one");
        assert_eq!((pace(1, 7).history(), pace(2, 7).history()), (vec![], vec![7.0]));
    }

    #[test]
    fn the_history_is_bounded_and_the_present_rate_ignores_samples_older_than_ten_seconds() {
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
