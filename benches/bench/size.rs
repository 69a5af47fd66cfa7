//! The sizes of a run.

/// The sizes of one run.
pub struct Size {
    pub name: &'static str,
    /// How often each section is measured, the sections in turn; the report shows medians.
    pub rounds: usize,
    /// Known users, each with a row and a state.
    pub users: u64,
    /// Events in a backlog.
    pub events: u64,
    /// Seconds of the steady rate: the warm-up, which does not count, and the measurement.
    pub latency_seconds: (u64, u64),
    /// Events processed one at a time.
    pub low_mark_events: u64,
    pub scale_users: &'static [u64],
    pub scale_events: u64,
    pub paired: Paired,
}

/// The sizes of a comparison of two programs.
pub struct Paired {
    pub rounds: usize,
    pub users: u64,
    pub events: u64,
}

impl Size {
    pub const FULL: Self = Self {
        name: "full",
        rounds: 3,
        users: 500_000,
        events: 500_000,
        latency_seconds: (30, 30),
        low_mark_events: 5_000,
        scale_users: &[10_000, 100_000, 500_000, 2_000_000],
        scale_events: 100_000,
        paired: Paired { rounds: 4, users: 200_000, events: 300_000 },
    };

    /// For work on the bench itself; its figures mean little.
    pub const QUICK: Self = Self {
        name: "quick",
        rounds: 1,
        users: 20_000,
        events: 20_000,
        latency_seconds: (30, 5),
        low_mark_events: 500,
        scale_users: &[2_000, 20_000],
        scale_events: 5_000,
        paired: Paired { rounds: 1, users: 10_000, events: 20_000 },
    };
}
