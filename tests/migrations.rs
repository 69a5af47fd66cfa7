//! Migrations: run, revert and info beside the platform's own schema, and the check of a schema that does not fit.

mod command;
mod compatibility;
mod contention;
mod database;
mod platform_triggers;
pub mod prisma;
mod reverting;
mod role;
mod running;
