//! Faults as data, and the driver that lets each happen under load and checks what it left.

use std::time::{Duration, Instant};

use super::bed::Bed;

/// What happens to the primary when its standby is promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    Dies,
    /// It serves half of its sessions for this time, and dies then.
    KeepsHalfFor(Duration),
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The standby is promoted with this time of commits lost, and its clock is this many seconds from the right time.
    Promote { lost: Duration, clock: i64, old: Old },
    /// A backup of this age is restored.
    Restore { age: Duration },
}

impl Fault {
    pub const fn promote(lost_ms: u64) -> Self {
        Self::Promote { lost: Duration::from_millis(lost_ms), clock: 0, old: Old::Dies }
    }

    fn loses_commits(self) -> bool {
        match self {
            Self::Promote { lost, .. } => !lost.is_zero(),
            Self::Restore { .. } => true,
        }
    }
}

/// Faults in a row, without a wait for everything to be right in between.
pub struct Step<'f> {
    pub faults: &'f [Fault],
    /// The longest time without a change that a partition may have.
    pub stall: Duration,
    /// The longest time from the end of the last fault, or the promotion, until the rows are right.
    pub right: Duration,
}

/// Runs the steps on one stage: the same processes live through all of them.
pub async fn run(processes: usize, steps: &[Step<'_>]) {
    let mut bed = Bed::new(processes).await;
    for step in steps {
        bed.is_working().await;
        let started = Instant::now();
        for fault in step.faults {
            bed.happens(*fault).await;
        }
        let over = Instant::now();
        bed.is_working().await;
        let stopped = Instant::now();
        let right = bed.rows_are_right(step.right).await;
        let stalls = bed.stalls(started, stopped);
        println!(
            "{:?}: longest stall by partition {stalls:.1?}, right after {:.1?}",
            step.faults,
            right.saturating_duration_since(over)
        );
        bed.everything_is_right().await;
        assert!(stalls.iter().all(|stall| *stall <= step.stall), "{stalls:?}");
        bed.load.resume();
    }
}

impl Bed {
    async fn happens(&mut self, fault: Fault) {
        if fault.loses_commits() {
            self.rewinds_to_now();
        }
        match fault {
            Fault::Promote { lost, clock, old } => self.servers.promote(lost, clock, old).await,
            Fault::Restore { age } => self.servers.restore(age).await,
        }
    }
}

/// Lets a state that the schedule names last for the time that it names.
pub async fn last(time: Duration) {
    tokio::time::sleep(time).await;
}
