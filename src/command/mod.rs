//! One file a subcommand, each thin: parse, call the library, print, choose the exit code.

pub mod check_events;
pub mod config;
pub mod demo;
pub mod dlq;
pub mod doctor;
pub mod explain;
pub mod migrate;
pub mod serve;
