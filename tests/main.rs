//! The promises of segmenter, proved against a real Kafka and a real PostgreSQL. One binary: one broker and one
//! database server, started on first use, serve the whole run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; the panic's message is its report"
)]

mod support;
mod support_smoke;
