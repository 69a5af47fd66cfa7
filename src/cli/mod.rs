//! The commands, one file each and thin: parse, call the library, print, choose the exit code.

pub mod catalog;
pub mod check_events;
pub mod completions;
pub mod config;
mod database;
pub mod dlq;
pub mod doctor;
pub mod explain;
mod failure;
mod follow_up;
pub mod health;
pub mod job;
pub mod migrate;
pub mod positions;
mod progress;
pub mod schema;
pub mod serve;
pub mod settings;
mod table;
pub mod user;
mod user_ids;
pub mod verify;

pub use failure::exit_of;
