//! Recomputes travellers' segments from Kafka events and keeps them in PostgreSQL.
//!
//! The data takes one straight road, and each module is one stretch of it:
//!
//! ```text
//! Kafka record     bytes, key, headers, (topic, partition, offset, timestamp)
//!   event::decode       → Event, Skipped or Rejected(reason)          pure
//!   profile             Profile + Event → Profile                     pure, order-independent
//!   scoring::segment     Profile × Catalog → Segmentation              pure, deterministic
//!   pipeline::fold      events × current states → writes + changes    pure: the heart
//!   store               one transaction: states, user_vectors, outbox
//!   kafka::publisher    segment-changed, then the outbox row goes
//!   kafka::consumer     offsets, only past finished work
//! ```
//!
//! Arrows point one way: `command` → sources (`dlq`, `jobs`, `kafka`, `store`) → `pipeline` → `engine`, `profile`, `event`.

pub mod checks;
pub mod cli;
pub mod codec;
pub mod config;
pub mod domain;
pub mod http;
pub mod ingest;
pub mod jobs;
pub mod kafka;
pub mod migrate;
pub mod output;
pub mod publish;
pub mod registry;
pub mod runtime;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod users;
