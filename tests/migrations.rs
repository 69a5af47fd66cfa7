//! The database schema: it comes and goes beside the platform's own, and says when it does not fit.

mod command;
mod compatibility;
mod contention;
mod database;
mod platform_triggers;
mod reverting;
mod role;
mod running;
