//! What can go wrong around a process, done to real processes: every scene ends with everything right.

mod broker;
mod database;
mod dead_letters;
mod departures;
mod order;
mod partitions;
mod processes;
mod publishers;
mod scarcity;
mod soak;

/// What goes into a process's `FAILPOINTS` so that it logs `<point> reached` and then does `action` there.
pub fn failpoint(point: &str, action: &str) -> String {
    format!("{point}-reached=print({point} reached);{point}={action}")
}
