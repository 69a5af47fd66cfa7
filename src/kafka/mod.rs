//! What both directions of Kafka need: client settings, errors, headers, looking up topics, and the calls of librdkafka.

pub mod certificate;
pub mod client;
pub mod client_events;
pub mod ffi;
pub mod headers;
pub mod partition;
pub mod producer;
pub mod topic_id;
pub mod topic_reader;
pub mod topics;
