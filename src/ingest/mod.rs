//! TODO

pub mod assignment;
pub mod consumer;
pub mod dead_letter;
pub mod dead_letter_batch;
pub mod dead_letter_reader;
pub mod dead_letter_writer;
pub mod dispatcher;
pub mod offset_tracker;
pub mod outbox_gate;
pub mod rebalance;
pub mod record;
pub mod recreated;
pub mod schema_wait;
pub mod start;
pub mod stuck;
pub mod worker;
