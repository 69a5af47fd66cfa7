//! Fault injection into real processes: every scene ends with the right rows and records.

mod broker;
mod clock;
mod damaged;
mod database;
mod dead_letters;
mod deleted_users;
mod order;
mod outages;
mod panics;
mod partitions;
mod passwords;
mod processes;
mod protocols;
mod publishers;
mod recreated;
mod scarcity;
mod silence;

/// The number of repetitions: `short` in the usual run, `long` under `make soak`.
pub fn rounds(short: u64, long: u64) -> u64 {
    if std::env::var_os("SOAK_SECONDS").is_some() { long } else { short }
}

/// The `FAILPOINTS` value that makes a process log `<point> reached` and then do `action` there.
pub fn failpoint(point: &str, action: &str) -> String {
    format!("{point}-reached=print({point} reached);{point}={action}")
}
