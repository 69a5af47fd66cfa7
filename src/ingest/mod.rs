//! Kafka in: reads the input topics, hands each record to the worker of its user, and commits offsets past finished records.
//!
//! ```text
//! start               the offset at which an assigned partition starts
//! rebalance           the group assigns and revokes partitions
//! consumer            the consumer loop: poll, decode, dispatch, commit
//!   stuck             partitions that are behind their end and do not move
//!   recreated         an input topic is deleted and created anew while it is read
//!   outbox_gate       closes the intake while the outbox is too deep
//! record              an input record with its original bytes
//!   schema_wait       records that wait for a schema of the registry
//! dispatcher          a decoded record to a worker, or finished at once
//! worker              batches of records to the database; finished records to their offset tracker
//! assignment          the offset trackers of all assigned partitions
//!   offset_tracker    one partition: records in flight, finished, committable; rejection runs
//! dead_letter         a rejected record as a record of the dead-letter topic
//!   dead_letter_batch   produces dead letters, truncated where they are too large
//!   dead_letter_writer  the task that writes them and waits out outages
//!   dead_letter_reader  a record of the dead-letter topic as a typed value
//! ```

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
