//! Shared by both directions of Kafka: client settings, errors, headers, topic look-ups, and calls into librdkafka.
//!
//! ```text
//! client          the properties of every client
//!   client_events the events that clients report
//!   producer      the client that produces, and its delivery reports
//! topic_reader    reads a topic up to a fixed end, outside any consumer group
//! topics          watches that the topics exist and the brokers admit this process
//!   certificate   explains a broker certificate that fails verification
//! topic_settings  the settings of a topic; watches the retention of the input topics
//! topic_id        the ids of the input topics
//! committed       the metadata that is committed with an offset
//! offsets         a topic's id, a group's committed offsets
//! partition       a partition of an input topic
//! headers         a record's headers by name
//! ffi             calls that the `rdkafka` crate does not wrap; the only `unsafe`
//! ```

pub mod certificate;
pub mod client;
pub mod client_events;
pub mod committed;
pub mod ffi;
pub mod headers;
pub mod offsets;
pub mod partition;
pub mod producer;
pub mod topic_id;
pub mod topic_reader;
pub mod topic_settings;
pub mod topics;
