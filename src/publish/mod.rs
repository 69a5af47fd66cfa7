//! Kafka out: publishes committed ranking changes to segment-changed and deletes their outbox rows.
//!
//! ```text
//! publisher        produce, read the published revisions, produce the higher ones, delete the row
//! handover         committed outbox rows from the writers to the publisher, bounded in changes
//! leases           renews the leases of held rows, deletes the rows of published changes
//! output_schema    registers the Avro schema of segment-changed
//! topic_revisions  the last revision of each user on segment-changed, for verify and republish
//! ```

pub mod handover;
pub mod leases;
pub mod output_schema;
pub mod publisher;
pub mod topic_revisions;
