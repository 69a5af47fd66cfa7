//! Recomputes travellers' segments from Kafka events and keeps them in PostgreSQL.
//!
//! The data takes one straight road, and each module is one stretch of it:
//!
//! ```text
//! Kafka record     bytes, key, headers, (topic, partition, offset, timestamp)
//!   event::decode       → Event, Skipped or Rejected(reason)          pure
//!   profile             Profile + Event → Profile                     pure, order-independent
//!   engine::segment     Profile × Catalog → Segmentation              pure, deterministic
//!   pipeline::fold      events × current states → writes + changes    pure: the heart
//!   store               one transaction: states, user_vectors, outbox
//!   kafka::publisher    segment-changed, then the outbox row goes
//!   kafka::consumer     offsets, only past finished work
//! ```
//!
//! Arrows point one way: `command` → sources (`dlq`, `jobs`, `kafka`, `store`) → `pipeline` → `engine`, `profile`, `event`.

pub mod batch_writer;
pub mod command;
pub mod config;
pub mod decoder;
pub mod dlq;
pub mod doctor;
pub mod engine;
pub mod event;
pub mod exit;
mod fault;
pub mod halt;
pub mod health;
pub mod http;
pub mod jobs;
pub mod kafka;
pub mod metrics;
pub mod pipeline;
pub mod profile;
pub mod retry;
pub mod service;
pub mod status;
pub mod stop;
pub mod store;
pub mod telemetry;
pub mod trace;
