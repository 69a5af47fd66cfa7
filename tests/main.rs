//! Every promise of the service, tested. One binary, so that one broker and one database server serve the whole run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "whether a test's helper is used shows without a visibility of its own")]

mod architecture;
mod assignment;
mod avro;
mod catalog;
mod check_events;
mod cluster;
mod config;
mod consumers;
mod decoding_corpus;
#[cfg(feature = "demo")]
mod demo;
mod dlq;
mod docs_sql;
mod doctor;
mod faults;
mod golden_engine;
mod guarantees;
mod http;
mod ia_002_1;
mod jobs;
mod json_schema;
mod kills;
mod kubernetes;
mod merge_and_fold;
mod metrics;
mod migrations;
mod offset_tracker;
mod ops;
mod packaging;
mod positions;
mod publishing;
mod read_api;
mod republishing;
mod scene;
mod serve;
mod store;
mod stored_bytes;
mod support;
mod support_smoke;
mod user;
mod verify;
mod world;
