//! The running process: its end, its health, its retries, the numbers that it shows.
//!
//! ```text
//! stop        the request to stop, shared by all parts
//! halt        why a command ended early
//! exit        exit codes
//! health      readiness and liveness, as the parts report them
//! human       numbers for people
//! wall_clock  the present time
//! retry       growing pauses between attempts
//! panics      catching a panic where it costs one record
//! fault       points at which a test pauses or kills the process, or has it panic
//! ```

pub mod exit;
pub mod fault;
pub mod halt;
pub mod health;
pub(crate) mod human;
pub mod panics;
pub mod retry;
pub mod stop;
pub mod wall_clock;
