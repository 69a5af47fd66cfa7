//! Kafka: the consumer loop and its ledgers, the publisher of segment-changed, the dead letters.

pub mod assignment;
pub mod certificate;
pub mod client;
pub mod clock;
pub mod consumer;
pub mod dead_letter;
pub mod dead_letter_reader;
pub mod dead_letter_writer;
pub mod delivery;
pub mod describe;
pub mod handover;
pub mod held_rows;
#[cfg(target_os = "linux")]
mod interposed;
pub mod ledger;
pub mod letters;
pub mod outbox_gate;
pub mod produce;
pub mod producer;
pub mod publisher;
pub mod rebalance;
pub mod record;
pub mod recreated;
pub mod said_revisions;
pub mod said_schema;
pub mod schema_wait;
pub mod sorter;
pub mod start;
pub mod tombstone;
pub mod topic_id;
pub mod topic_reader;
pub mod topics;
pub mod worker;
