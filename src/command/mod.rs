//! One file a subcommand, each thin: parse, call the library, print, choose the exit code.

mod catalog;
pub mod check_events;
pub mod completions;
pub mod config;
mod database;
pub mod dlq;
pub mod doctor;
pub mod explain;
pub mod job;
pub mod migrate;
mod registry;
pub mod schema;
pub mod serve;
pub mod settings;
mod text;
pub mod user;
pub mod verify;
