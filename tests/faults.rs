//! What can go wrong around a process, done to real processes: every scene ends with everything right.

mod broker;
mod clock;
mod damaged;
mod database;
mod dead_letters;
mod deleted_users;
mod order;
mod partitions;
mod processes;
mod publishers;
mod recreated;
mod scarcity;
mod soak;

/// How often something is repeated: `short` in the usual run, `long` under `make soak`.
pub fn rounds(short: u64, long: u64) -> u64 {
    if std::env::var_os("SOAK_SECONDS").is_some() { long } else { short }
}

/// What goes into a process's `FAILPOINTS` so that it logs `<point> reached` and then does `action` there.
pub fn failpoint(point: &str, action: &str) -> String {
    format!("{point}-reached=print({point} reached);{point}={action}")
}
