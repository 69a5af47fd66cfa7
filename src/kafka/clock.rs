//! The clocks of the consumer loop, read once a turn for all that is measured in it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the wall clock is taken to go as the other one does before it is read again.
const TRUSTED: Duration = Duration::from_secs(1);

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub at: Instant,
    /// Unix time, seconds.
    pub unix: f64,
}

impl Moment {
    /// Reads both clocks.
    pub fn read() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { at: Instant::now(), unix }
    }

    fn after(self, passed: Duration) -> Self {
        Self { at: self.at + passed, unix: self.unix + passed.as_secs_f64() }
    }
}

/// Both clocks, of which mostly one has to be read.
#[derive(Debug)]
pub struct Clock {
    last_read: Moment,
}

impl Clock {
    pub fn start() -> Self {
        Self { last_read: Moment::read() }
    }

    pub fn now(&mut self) -> Moment {
        let passed = self.last_read.at.elapsed();
        if passed < TRUSTED {
            return self.last_read.after(passed);
        }
        self.last_read = Moment::read();
        self.last_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_goes_on_between_two_readings_and_a_jump_of_it_is_followed_at_the_next() {
        let mut clock = Clock::start();
        let jump = 3600.0;
        clock.last_read.unix -= jump;
        let (then, truth) = (clock.now(), Moment::read());
        assert!((truth.unix - then.unix - jump).abs() < 1.0, "{then:?} {truth:?}");
        clock.last_read.at -= TRUSTED;
        assert!((clock.now().unix - truth.unix).abs() < 1.0);
    }
}
