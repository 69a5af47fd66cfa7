//! Every promise of the service, tested. One binary, so that one broker and one database server serve the whole run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod avro;
mod decoding_corpus;
mod golden_engine;
mod ledger;
mod merge_and_fold;
mod migrations;
