//! Kafka in: reads the input topics, hands each record to the worker of its user, and commits offsets past finished records.
//!
//! ```text
//! rebalance           the group assigns and revokes partitions
//! start               finds the start of each assigned partition, for as long as it takes
//!   start_table       the offset at which a partition starts, by what is known of it
//!   newest_revision   the highest revision on segment-changed, before a repair range
//! consumer            the consumer loop: poll, decode, dispatch, commit
//!   positions         has the database confirm positions before offsets are committed
//!   position          the position of one partition: confirmed, claimed, lost
//!   stuck             partitions that are not read
//!   rewinds           the last rewind of each partition
//!   partitions        where each assigned partition stands, for the status page
//!   outbox_gate       closes the intake while the outbox is too deep
//! record              an input record with its original bytes
//!   schema_wait       records that wait for a schema of the registry
//! dispatcher          a decoded record to a worker, or finished at once
//! work_queues         decoded records, in one queue a worker
//! worker              batches of records to the database; finished records to their offset tracker
//!   locked_users        records of users whose rows another session locks
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
mod locked_users;
pub(crate) mod newest_revision;
pub mod offset_tracker;
pub mod outbox_gate;
pub mod partitions;
pub mod position;
pub mod positions;
pub mod rebalance;
pub mod record;
pub mod rewinds;
pub mod schema_wait;
pub mod start;
pub mod start_table;
pub mod stuck;
pub mod work_queues;
pub mod worker;
